"""The network behind every engine that could run it: ours, PyTorch, pytorch-grad-cam, OpenVINO.

    python -m tests.benchmarks.inference [--quick] [--device cpu|cuda] [--threads 1]
    python -m tests.benchmarks.inference --batches --sizes 384     (only load time and memory)

All engines run the same drawn weights and take turns within each round; what is judged are medians
of ratios inside a round, of CPU time on a CPU (one thread, so that other programs on the machine
hurt little) and of wall time on a GPU. "ours" is ONNX Runtime as the daemon configures it: on a CPU
one image in each call, which the daemon finds out by measuring at its start; "ours, one call" takes
the whole batch at once. Load time and memory are those of a process of its own for each engine. The
last line is JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from tests.benchmarks import engines
from tests.benchmarks.engines import Engine, Subject, draw_subject
from tests.benchmarks.loading import ENGINES, FORWARD, WITH_CAM

_BACKBONES = {"cpu": "mobilenetv2_100", "cuda": "swin_large_patch4_window12_384"}
_REST_S = 0.02
_GOALS = {
    "ours with CAM / ours": ("<=", 1.10),
    "pytorch-grad-cam / ours with CAM": (">=", 2.5),
    "torch.compile / ours": (">=", 1.0),
    "OpenVINO / ours": (">=", 1.0),
    "ours with CAM / ours int8 with CAM": (">=", 1.6),
}
"""Ratios of times: the second is so many times as fast as the first."""


def main() -> None:
    """Measure, print tables, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="384 pixels, batches 1 and 8, 5 rounds"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backbone", help="another than the shipped model's")
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--batches", type=int, nargs="*")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--no-loads", action="store_true", help="no load time and memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    backbone = options.backbone or _BACKBONES[options.device]
    sizes = options.sizes or ([384] if options.quick or options.device == "cuda" else [224, 384])
    batches = options.batches
    if batches is None:
        batches = [1, 8] if options.quick else [1, 4, 8, 16]
    rows = []
    loads = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            subject = draw_subject(Path(folder), size, backbone)
            made = make_engines(subject, options.threads, options.device) if batches else {}
            for batch in batches:
                rounds = options.rounds or (5 if options.quick else 9)
                rows.append(_measure(made, batch, size, rounds, options.device))
                _show(rows[-1])
            if options.device == "cpu" and not options.no_loads:
                loads[size] = _loads(subject, options.threads)
                _show_loads(loads[size], size)
    misses = [miss for row in rows for miss in _misses(row)]
    print(json.dumps({"rows": rows, "loads": loads, "missed": misses, "goals_met": not misses}))


def make_engines(subject: Subject, threads: int, device: str) -> dict[str, Engine]:
    """Make every engine that this machine has."""
    network, graph = subject.network, subject.graph
    chunk = 1 if device == "cpu" else 1024
    made = {
        "ours": engines.ours(graph, FORWARD, threads, chunk, device),
        "ours with CAM": engines.ours(graph, WITH_CAM, threads, chunk, device),
        "torch eager": engines.torch_forward(network, compiled=False, device=device),
        "torch.compile": engines.torch_forward(network, compiled=True, device=device),
        "pytorch-grad-cam": engines.grad_cam(network, device),
    }
    if device == "cpu":
        int8 = engines.int8_graph(subject)
        made |= {
            "ours, one call": engines.ours(graph, FORWARD, threads, 1024),
            "ours int8 with CAM": engines.ours(int8, WITH_CAM, threads, chunk),
            "OpenVINO": engines.openvino(graph, FORWARD, threads),
            "OpenVINO with CAM": engines.openvino(graph, WITH_CAM, threads),
        }
    return made


def _measure(
    made: dict[str, Engine], batch: int, size: int, rounds: int, device: str
) -> dict[str, Any]:
    """Let the engines take turns; ms for each image, and the ratios that are judged."""
    images = engines.images(batch, size)
    clock = time.process_time if device == "cpu" else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in made}
    walls: dict[str, list[float]] = {name: [] for name in made}
    for engine in made.values():
        engine(images)  # compiles, plans memory
    for _ in range(rounds):
        for name, engine in made.items():
            time.sleep(_REST_S)  # threads of the one before stop waiting for work
            engine(images)  # its own memory is warm again
            start, wall = clock(), time.perf_counter()
            engine(images)
            times[name].append((clock() - start) / batch * 1000.0)
            walls[name].append((time.perf_counter() - wall) / batch * 1000.0)
    ratios = {}
    for pair in _GOALS:
        slow, fast = pair.split(" / ")
        if slow in times and fast in times:
            each = [a / b for a, b in zip(times[slow], times[fast], strict=True)]
            ratios[pair] = [
                round(one, 3) for one in (statistics.median(each), min(each), max(each))
            ]
    return {
        "size": size,
        "batch": batch,
        "ms": {name: round(statistics.median(values), 2) for name, values in times.items()},
        "wall_ms": {name: round(min(values), 2) for name, values in walls.items()},
        "ratios": ratios,
    }


def _misses(row: dict[str, Any]) -> list[str]:
    missed = []
    for pair, (median, _, _) in row["ratios"].items():
        sign, goal = _GOALS[pair]
        if not (median <= goal if sign == "<=" else median >= goal):
            missed.append(f"{row['size']} b{row['batch']}: {pair} is {median}, goal {sign} {goal}")
    return missed


def _show(row: dict[str, Any]) -> None:
    title = f"{row['size']} pixels, batch {row['batch']}"
    table = Table("engine", "ms an image", "best wall ms", title=title)
    for name, value in row["ms"].items():
        table.add_row(name, f"{value:.1f}", f"{row['wall_ms'][name]:.1f}")
    for pair, (median, low, high) in row["ratios"].items():
        sign, goal = _GOALS[pair]
        table.add_row(pair, f"{median:.2f} ({low:.2f}-{high:.2f})", f"goal {sign} {goal}")
    Console().print(table)


def _loads(subject: Subject, threads: int) -> dict[str, dict[str, float]]:
    """Load each engine in a new process: seconds to the first answer, and peak memory.

    torch.compile finds nothing that was compiled before.
    """
    cold = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(subject.graph.with_suffix(".compiled"))}
    weights = subject.graph.with_suffix(".pt")
    torch.save(subject.network.state_dict() | {"config": subject.network.config}, weights)
    found = {}
    for name in ENGINES:
        file = weights if "torch" in name else subject.graph
        command = [sys.executable, "-m", "tests.benchmarks.loading", name, str(file)]
        command += [str(subject.size), str(threads)]
        done = subprocess.run(command, env=cold, stdout=subprocess.PIPE, text=True, check=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
    return found


def _show_loads(loads: dict[str, dict[str, float]], size: int) -> None:
    columns = ("import s", "load s", "first answer s", "peak RSS MiB")
    table = Table("engine", *columns, title=f"{size} pixels, one image, a process for each")
    for name, row in loads.items():
        table.add_row(name, *(str(row[key]) for key in ("import_s", "load_s", "first_s", "mib")))
    Console().print(table)


if __name__ == "__main__":
    main()
