"""Which execution provider of ONNX Runtime is asked for, and what its errors mean.

ONNX Runtime falls back to the CPU without raising, so what was asked for proves nothing: the
session is asked after it exists (`daemon.reading.device.sessions`).
"""

from typing import Literal

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from daemon.errors import Misconfigured, Strained

Choice = Literal["auto", "cuda", "tensorrt", "cpu"]
Provider = str | tuple[str, dict[str, str]]

TENSORRT = "TensorrtExecutionProvider"
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
_BY_CHOICE = {"tensorrt": TENSORRT, "cuda": CUDA, "cpu": CPU}

_CAPTURED = ", captured as a CUDA graph"
DEVICES = ("CPU", "CUDA", f"CUDA{_CAPTURED}", "TensorRT", f"TensorRT{_CAPTURED}")
"""What reading may run on, in words."""

FAILURES = (
    RuntimeError,
    ValueError,
    MemoryError,
    ort_errors.DeviceReset,
    ort_errors.EPFail,
    ort_errors.EngineError,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""ONNX Runtime's errors have no common base of their own."""

_NO_MEMORY = (
    "failed to allocate memory",  # its own arena
    "out of memory",  # cudaErrorMemoryAllocation
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED
    "bad_alloc",
    "bad allocation",
)
"""How a failed allocation is worded: there is no error code for it."""


class OutOfMemory(Strained):
    """The device has no memory for a batch of this size."""


def translated(error: Exception, provider: str) -> Strained:
    """Say in our words what ONNX Runtime raised during a call."""
    words = f"inference on {provider}: {type(error).__name__}"
    if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _NO_MEMORY):
        return OutOfMemory(f"{words}: out of memory")
    return Strained(words)


def wanted(choice: Choice, *, cuda_graph: bool = False) -> list[Provider]:
    """Return the providers to ask for, best first.

    With `cuda_graph` the kernels of a call are captured once and started as one from then on.

    Raises
    ------
    Misconfigured
        This ONNX Runtime was built without the provider.
    """
    available = ort.get_available_providers()
    if choice == "cpu" or (choice == "auto" and CUDA not in available):
        return [CPU]
    if choice != "auto" and (missing := _BY_CHOICE[choice]) not in available:
        raise Misconfigured(
            f"reading.provider is {choice}, but this ONNX Runtime has no {missing}: "
            'install wristd with the extra "gpu" instead of "cpu"'
        )
    return on_gpu(choice, cuda_graph=cuda_graph)


def on_gpu(choice: Choice, *, cuda_graph: bool) -> list[Provider]:
    """Return the providers of a GPU with their options, best first."""
    # TF32 keeps 10 bits of a mantissa: the golden input would be answered too far away.
    cuda = {"use_tf32": "0"}
    if choice == "tensorrt":
        captured = {"trt_cuda_graph_enable": "1"} if cuda_graph else {}
        return [(TENSORRT, captured), (CUDA, cuda), CPU]
    return [(CUDA, cuda | ({"enable_cuda_graph": "1"} if cuda_graph else {})), CPU]


def confirmed(choice: Choice, provider: str) -> str:
    """Return the provider that a session really has, if it is the one that was asked for.

    Raises
    ------
    Misconfigured
        It fell back to another.
    """
    if choice != "auto" and provider != _BY_CHOICE[choice]:
        raise Misconfigured(
            f"reading.provider is {choice}, but the session runs on {provider}: check the driver "
            "and the CUDA libraries of onnxruntime-gpu, or set reading.provider to auto"
        )
    return provider


def device(provider: str, *, cuda_graph: bool) -> str:
    """Say in words what a session runs on: one of `DEVICES`."""
    name = {CPU: "CPU", CUDA: "CUDA", TENSORRT: "TensorRT"}[provider]
    return name + (_CAPTURED if cuda_graph else "")


def is_missed(choice: Choice, provider: str) -> bool:
    """Tell whether "auto" found CUDA built in and still ended on the CPU."""
    return choice == "auto" and provider == CPU and CUDA in ort.get_available_providers()
