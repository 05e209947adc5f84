"""A PIM on a GPU by precision and batch: images a second, and what share of the measured peak.

    python -m tests.benchmarks.gpu [--backbone swin_large_patch4_window12_384] [--device cuda]

PyTorch runs network and evidence, eager and compiled; the peak is that of a large matrix product
in the same precision on the same device. `--device cpu` with a small backbone only tries the
script. ONNX Runtime beside it: `python -m tests.benchmarks.inference --device cuda`. The last line
is JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from model.gradcam import GradCam
from model.networks.pim import Pim
from tests.benchmarks.engines import LAYER, config_of

PRECISIONS = {"fp32": None, "tf32": None, "fp16": torch.float16, "bf16": torch.bfloat16}
_GAIN = 1.02
"""A batch that is not so much faster than the one before is where the device is saturated."""
_GOAL_PEAK, _GOAL_CAM = 0.4, 1.10


def main() -> None:
    """Measure, print tables, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="swin_large_patch4_window12_384")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--largest", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=10)
    options = parser.parse_args()
    torch.manual_seed(1)
    network = Pim(config_of(options.backbone, options.size)).eval().requires_grad_(False)
    network = network.to(options.device)
    calls = {
        "eager": network,
        "compiled": torch.compile(network, dynamic=False),
        "with CAM": GradCam(network, f"level{LAYER + 1}"),
    }
    flops = _flops(network, options.size, options.device)
    rows = []
    for precision in PRECISIONS:
        peak = _peak(precision, options.device)
        for name, call in calls.items():
            rows += _curve(name, call, precision, (flops, peak), options)
    table = Table("precision", "call", "batch", "images/s", "of peak")
    for row in rows:
        share = f"{row['of_peak']:.2f}"
        table.add_row(
            row["precision"], row["call"], str(row["batch"]), f"{row['per_s']:.1f}", share
        )
    Console().print(table)
    print(json.dumps({"device": _name(options.device), "rows": rows, **_judge(rows)}))


def _curve(
    name: str,
    call: Callable[..., object],
    precision: str,
    work: tuple[float, float],
    options: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Double the batch until it is no faster, or does not fit."""
    flops, peak = work
    rows: list[dict[str, Any]] = []
    batch = 1
    while batch <= options.largest:
        images = torch.randn(batch, 3, options.size, options.size, device=options.device)
        target = torch.full((batch,), 1, device=options.device)
        arguments = (images, target) if isinstance(call, GradCam) else (images,)
        try:
            seconds = _seconds(call, arguments, precision, options)
        except torch.cuda.OutOfMemoryError:
            break
        per_s = batch / seconds
        shown = {"precision": precision, "call": name, "batch": batch, "per_s": round(per_s, 2)}
        rows.append(shown | {"of_peak": round(per_s * flops / peak, 3)})
        if len(rows) > 1 and per_s < rows[-2]["per_s"] * _GAIN:
            break
        batch *= 2
    return rows


def _seconds(
    call: Callable[..., object],
    arguments: tuple[torch.Tensor, ...],
    precision: str,
    options: argparse.Namespace,
) -> float:
    """Median seconds of a call, the device waited for."""
    kind = PRECISIONS[precision]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    times = []
    for _ in range(options.repeat + 2):
        _wait(options.device)
        start = time.perf_counter()
        with torch.no_grad(), torch.autocast(options.device, kind) if kind else nullcontext():
            call(*arguments)
        _wait(options.device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def _peak(precision: str, device: str) -> float:
    """FLOP/s of a square matrix product in this precision."""
    side = 8192 if device == "cuda" else 512
    kind = PRECISIONS[precision] or torch.float32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    times = []
    for _ in range(12):
        _wait(device)
        start = time.perf_counter()
        a @ b
        _wait(device)
        times.append(time.perf_counter() - start)
    return 2.0 * side**3 / statistics.median(times[2:])


def _flops(network: Pim, size: int, device: str) -> float:
    """FLOP of one image's forward pass, counted by PyTorch."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, size, size, device=device))
    return float(counter.get_total_flops())


def _judge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    best = {
        (row["precision"], row["call"]): max(
            one["per_s"]
            for one in rows
            if (one["precision"], one["call"]) == (row["precision"], row["call"])
        )
        for row in rows
    }
    share = max(row["of_peak"] for row in rows if row["precision"] == "fp16")
    cam = best["fp16", "eager"] / best["fp16", "with CAM"]
    met = share >= _GOAL_PEAK and cam <= _GOAL_CAM
    return {"fp16_of_peak": share, "cam_over_forward": round(cam, 3), "goals_met": met}


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else device


if __name__ == "__main__":
    main()
