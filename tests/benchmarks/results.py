"""What building the results of a study costs, beside reading it.

    python -m tests.benchmarks.results [--quick]

One study of a single 20 megapixel image, positive, with evidence: every object is built, checked
and written again and again in one process, and the shipped model's forward pass is timed in
between, so that what else the machine does hurts both alike. The last line is JSON.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from rich.console import Console
from rich.table import Table

from daemon.reading.sessions import Session
from daemon.records import StudyReading
from daemon.results.annotate import annotated_copy
from daemon.results.build import build_results
from daemon.results.frame import plain_copy
from daemon.results.heat import heat_map
from daemon.results.instance import Basis
from daemon.results.outbox import write
from daemon.results.report import build_report
from daemon.results.summary import summary
from daemon.settings import Report
from model.package import load_package
from model.pixels import prepare
from tests.node import PACKAGE
from tests.objects import dx
from tests.phantoms import wrist
from tests.readings import image_reading, radiograph_of, study_reading

SPACING_MM = 0.0275
"""Makes the drawn wrist about 20 megapixels."""

_MIB = 1024**2


def main() -> None:
    """Measure, print a table, and one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions")
    rounds = 5 if parser.parse_args().quick else 50
    figures = measure(rounds)
    table = Table("what", "median ms", "as a share of one forward pass")
    forward = figures["ms"]["forward pass"]
    for name, value in figures["ms"].items():
        table.add_row(name, f"{value:.0f}", f"{value / forward:.2f}")
    Console().print(table)
    print(json.dumps(figures))


def measure(rounds: int) -> dict[str, Any]:
    """Time every step `rounds` times, in turn."""
    source = dx(wrist("PA", spacing_mm=SPACING_MM, fracture=True))
    image = image_reading(source, 0.91)
    reading = study_reading([image], [source])
    plain, state = Report(), Report(presentation_state=True)
    basis = Basis.of(reading, [source], plain)
    package = load_package(PACKAGE)
    session = Session(package, "cpu", 0)
    tensor = prepare(radiograph_of(source), package.manifest.pixels)[0][None]
    target = np.array([package.manifest.findings[0].class_index])
    before_mib = _peak_mib()  # after the study was drawn and read
    with tempfile.TemporaryDirectory() as folder:
        built = build_results(reading, [source], state)
        steps: dict[str, Callable[[], object]] = {
            "forward pass": lambda: session.run(tensor, target),
            "report": lambda: build_report(basis),
            "summary": lambda: summary(basis),
            "annotated copy": lambda: annotated_copy(image, "1", basis),
            "heat map": lambda: heat_map(image, image.scores[0], "1", basis),
            "all objects": lambda: build_anew(reading, source, plain),
            "check and write": lambda: write(built, Path(folder), reading.study_uid),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(rounds):
            for name, step in steps.items():
                start = time.perf_counter()
                step()
                times[name].append((time.perf_counter() - start) * 1000.0)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = [
        one / other for one, other in zip(times["all objects"], times["forward pass"], strict=True)
    ]
    ratio = statistics.median(ratios)
    return {
        "megapixels": round(source.Rows * source.Columns / 1e6, 1),
        "rounds": rounds,
        "ms": {name: round(value, 1) for name, value in medians.items()},
        "objects_per_forward_pass": round(ratio, 3),
        "peak_mib_over_start": round(_peak_mib() - before_mib),
        "bytes": {str(one.kind): _size(one.dataset) for one in built},
        "goals_met": ratio < 1.0,
    }


def build_anew(reading: StudyReading, source: Dataset, report: Report) -> object:
    """Build all objects as for a study that was not seen before: nothing is kept from the last."""
    plain_copy.cache_clear()
    return build_results(reading, [source], report)


def _size(dataset: Any) -> int:
    return len(dataset.get("PixelData", b""))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB


if __name__ == "__main__":
    main()
