"""Run a model package in ONNX Runtime, and know on which device.

ONNX Runtime falls back from CUDA to the CPU without raising, so the provider is asked for after
the session exists, and the golden input is compared before the session is used.
"""

import logging
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from daemon.errors import Misconfigured, Unavailable
from model.package import ModelPackage, golden_input

logger = logging.getLogger(__name__)

_FAILURES = (
    RuntimeError,
    ValueError,
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

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
PREDICTED = -1
"""Target class -1 asks for the evidence of the predicted class."""


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What one call returns for a batch: see `model.package` for shapes and ranges."""

    logits: NDArray[np.float32]
    cam: NDArray[np.float32]
    gate: NDArray[np.float32] | None


class Network(Protocol):
    """Something that answers like a model package's graph."""

    @property
    def provider(self) -> str:
        """The execution provider that runs it."""
        ...

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64]) -> NetworkOutput:
        """Return logits and evidence for float32 (batch, 3, size, size) and int64 (batch,)."""
        ...


class Session:
    """A model package in ONNX Runtime.

    Parameters
    ----------
    package : ModelPackage
    provider : "auto", "cuda" or "cpu"
        "cuda" refuses to start without a CUDA device; "auto" takes the CPU then, and says so.
    threads : int
        Threads inside one call; 0 takes one for each core.

    Raises
    ------
    Misconfigured
        The graph cannot be loaded, the provider is not there, or the golden input is answered
        otherwise than at export.
    """

    def __init__(
        self, package: ModelPackage, provider: Literal["auto", "cuda", "cpu"], threads: int
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Receivers share the cores: a thread that spins while it waits would starve them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        wanted = _wanted(provider)
        try:
            self._session = ort.InferenceSession(package.graph, options, providers=wanted)
        except _FAILURES as error:
            raise Misconfigured(
                f"model package {package.folder}: ONNX Runtime cannot load it: {error}"
            ) from error
        self.provider: str = self._session.get_providers()[0]
        if provider == "cuda" and self.provider != CUDA:
            raise Misconfigured(
                "reading.provider is cuda, but the session runs on the CPU: check the driver and "
                "the CUDA libraries of onnxruntime-gpu, or set reading.provider to auto"
            )
        if provider == "auto" and self.provider != CUDA:
            logger.warning("no CUDA device in use: reading runs on the CPU")
        self._has_gate = package.manifest.gate is not None
        self._check_golden(package)

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64]) -> NetworkOutput:
        """Run one batch.

        Raises
        ------
        Unavailable
            The device failed; the study is tried again later.
        """
        names = ["logits", "cam", "gate"] if self._has_gate else ["logits", "cam"]
        try:
            outputs = self._session.run(names, {"image": images, "target": targets})
        except _FAILURES as error:
            raise Unavailable(f"inference on {self.provider}: {type(error).__name__}") from error
        logits, cam, *gate = (np.asarray(output) for output in outputs)
        return NetworkOutput(logits, cam, gate[0] if gate else None)

    def _check_golden(self, package: ModelPackage) -> None:
        golden = package.manifest.golden
        image = golden_input(package.manifest.pixels.size)
        output = self.run(image, np.array([PREDICTED]))
        expected = np.array([*golden.logits, *([] if golden.gate is None else [golden.gate])])
        gate = output.gate if golden.gate is not None and output.gate is not None else np.empty(0)
        found = np.concatenate([output.logits[0], np.atleast_1d(gate).ravel()])
        difference = float(np.abs(found - expected).max())
        if not difference <= golden.tolerance:
            raise Misconfigured(
                f"model package {package.folder}: the golden input is answered {difference:.2g} "
                f"away from its stored answer (allowed {golden.tolerance:.2g}) on {self.provider}"
            )


def _wanted(provider: Literal["auto", "cuda", "cpu"]) -> list[str]:
    available = ort.get_available_providers()
    if provider == "cpu" or (provider == "auto" and CUDA not in available):
        return [CPU]
    if CUDA not in available:
        raise Misconfigured(
            "reading.provider is cuda, but this ONNX Runtime has no CUDA provider: "
            'install wristd with the extra "gpu" instead of "cpu"'
        )
    return [CUDA, CPU]
