"""Load one engine in this process and answer once: seconds and peak memory, as JSON.

    python -m tests.benchmarks.loading ENGINE FILE SIZE THREADS

FILE is the graph, or the weights for those that run on PyTorch. Called by
`tests.benchmarks.inference`, in a new process for each engine.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import engines
from tests.benchmarks.engines import Engine

if TYPE_CHECKING:
    from model.networks.pim import Pim

FORWARD, WITH_CAM = ["logits"], ["logits", "cam"]


def _network(weights: Path, threads: int) -> "Pim":
    """Load the weights as a program that runs PyTorch does."""
    import torch

    from model.networks.pim import Pim

    torch.set_num_threads(threads)
    state = torch.load(weights, weights_only=False)
    network = Pim(state.pop("config")).eval()
    network.load_state_dict(state)
    return network.requires_grad_(False)


_TORCH = ["torch", "model.networks.pim"]
ENGINES: dict[str, tuple[list[str], Callable[[Path, int], Engine]]] = {
    "ours with CAM": (["onnxruntime"], lambda file, n: engines.ours(file, WITH_CAM, n, 1)),
    "OpenVINO with CAM": (["openvino"], lambda file, n: engines.openvino(file, WITH_CAM, n)),
    "torch eager": (
        _TORCH,
        lambda file, n: engines.torch_forward(_network(file, n), compiled=False),
    ),
    "torch.compile": (
        _TORCH,
        lambda file, n: engines.torch_forward(_network(file, n), compiled=True),
    ),
    "pytorch-grad-cam": (
        [*_TORCH, "pytorch_grad_cam"],
        lambda file, n: engines.grad_cam(_network(file, n)),
    ),
}
"""What each imports, and how it is made of a file and a number of threads."""


def main(name: str, file: Path, size: int, threads: int) -> None:
    """Print the figures."""
    modules, make = ENGINES[name]
    image = engines.images(1, size)
    moments = [time.perf_counter()]
    for module in modules:
        import_module(module)
    moments.append(time.perf_counter())
    engine = make(file, threads)
    moments.append(time.perf_counter())
    engine(image)
    moments.append(time.perf_counter())
    steps = zip(("import_s", "load_s", "first_s"), moments[1:], moments[:-1], strict=True)
    figures = {name: round(after - before, 2) for name, after, before in steps}
    status = Path("/proc/self/status").read_text()  # the kernel's ru_maxrss counts the parent too
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
    print(json.dumps(figures | {"mib": round(peak)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
