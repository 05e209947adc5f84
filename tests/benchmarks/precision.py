"""fp32 against fp16 and int8: ``python -m tests.benchmarks.precision [--quick]``.

The shipped package's graph and that of a PIM over Swin-T at 224 pixels (random weights: speed
only), each in all precisions, interleaved in one run. CPU time of the median call, forward and
map, one thread; larger ratios are faster. int8 is the dynamic one, which passes the export's gate
on the shipped model (docs/results.md). The last line is JSON.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

from export.graph import write_graph
from export.precision import to_fp16, to_int8_dynamic
from model.gradcam import GradCam
from model.networks.registry import build_network
from model.package import load_package

PACKAGE = Path(__file__).parents[2] / "model" / "packages" / "wrist-demo"
SWIN = {
    "backbone": "swin_tiny_patch4_window7_224",
    "size": 224,
    "width": 512,
    "classes": ["no_finding", "fracture"],
}
GOAL = 1.6


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def medians(paths: dict[str, Path], size: int, batch: int, rounds: int) -> dict[str, float]:
    """Return seconds of CPU time a call."""
    sessions = {name: session(path) for name, path in paths.items()}
    image = np.random.default_rng(0).standard_normal((batch, 3, size, size), np.float32)
    feed = {"image": image, "target": np.full(batch, 1)}
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(rounds + 1):
        for name, one in sessions.items():
            start = time.process_time()
            one.run(None, feed)
            if turn:  # the first warms up
                seconds[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def precisions(graph: Path, folder: Path, name: str) -> dict[str, Path]:
    paths = {"fp32": graph, "fp16": folder / f"{name}16.onnx", "int8": folder / f"{name}8.onnx"}
    to_fp16(graph, paths["fp16"])
    to_int8_dynamic(graph, paths["int8"], [])
    return paths


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds = 5 if parser.parse_args(arguments).quick else 25
    package = load_package(PACKAGE)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_graph(GradCam(build_network(SWIN).eval(), "level2"), 224, folder / "swin.onnx")
        graphs = {
            "wrist-demo 384": (package.graph, package.manifest.pixels.size),
            "PIM Swin-T 224": (folder / "swin.onnx", 224),
        }
        print("| graph | batch | fp32, ms | fp16 | int8 |\n|---|---|---|---|---|")
        for name, (graph, size) in graphs.items():
            paths = precisions(graph, folder, name.split()[0])
            for batch in (1, 8):
                found = medians(paths, size, batch, rounds if batch == 1 else max(3, rounds // 4))
                ratios = {p: found["fp32"] / found[p] for p in ("fp16", "int8")}
                figures |= {f"{name} b{batch} {p}": round(r, 2) for p, r in ratios.items()}
                shown = " | ".join(f"{ratio:.2f}" for ratio in ratios.values())
                print(f"| {name} | {batch} | {found['fp32'] * 1e3:.1f} | {shown} |", flush=True)
    met = all(ratio >= GOAL for name, ratio in figures.items() if name.endswith("int8"))
    print(json.dumps(figures | {"goals_met": met}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
