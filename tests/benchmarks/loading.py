"""Load one runtime in this process and answer once: seconds and peak memory, as JSON.

    python -m tests.benchmarks.loading ours|OpenVINO|torch FILE SIZE THREADS

Called by `tests.benchmarks.inference`; each runtime is imported only where it is asked for.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def load_ours(file: str, threads: int) -> tuple[float, Callable[[np.ndarray], object]]:
    import onnxruntime as ort

    imported = time.perf_counter()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return imported, lambda x: session.run(["logits", "cam"], {"image": x, "target": np.full(1, 1)})


def load_openvino(file: str, threads: int) -> tuple[float, Callable[[np.ndarray], object]]:
    import openvino as ov

    imported = time.perf_counter()
    model = ov.Core().compile_model(file, "CPU", {"INFERENCE_NUM_THREADS": threads})
    return imported, lambda x: model({"image": x, "target": np.full(1, 1)})


def load_torch(file: str, threads: int) -> tuple[float, Callable[[np.ndarray], object]]:
    import torch

    from model.networks.pim import Pim

    imported = time.perf_counter()
    torch.set_num_threads(threads)
    state = torch.load(file, weights_only=False)
    network = Pim(state.pop("config")).eval()
    network.load_state_dict(state)

    def run(x: np.ndarray) -> object:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).logits

    return imported, run


LOADERS = {"ours": load_ours, "OpenVINO": load_openvino, "torch": load_torch}


def main(name: str, file: str, size: int, threads: int) -> None:
    """Print the figures."""
    image = np.zeros((1, 3, size, size), np.float32)
    start = time.perf_counter()
    imported, run = LOADERS[name](file, threads)
    loaded = time.perf_counter()
    run(image)
    answered = time.perf_counter()
    status = Path("/proc/self/status").read_text()  # the kernel's ru_maxrss counts the parent too
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
    steps = {
        "import_s": imported - start,
        "load_s": loaded - imported,
        "first_s": answered - loaded,
    }
    print(json.dumps({key: round(value, 2) for key, value in steps.items()} | {"mib": round(peak)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
