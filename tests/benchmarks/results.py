"""What building the results of a study costs, beside reading it.

    python -m tests.benchmarks.results [--quick] [--spacing-mm 0.5]

One study of a single 20 megapixel image, positive, with evidence: every object is built, checked
and written again and again in one process (1 000 objects in all), and the shipped model's forward
pass is timed in between, so that what else the machine does hurts both alike. Files are written
anew each time, as in a daemon, and removed while nothing is timed. Memory is what a step adds to
the resident size at its highest (VmHWM, reset before each). The last line is JSON.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, FileDataset
from rich.console import Console
from rich.table import Table

from daemon.reading.device.sessions import Session
from daemon.records import StudyReading
from daemon.results.build import build_results
from daemon.results.document.instance import Basis
from daemon.results.document.structured_report import build_report
from daemon.results.outbox import write
from daemon.results.picture.annotate import annotated_copy
from daemon.results.picture.frame import Framed, plain_copy
from daemon.results.picture.heat import heat_map
from daemon.results.picture.summary import summary
from daemon.settings import ReportSettings
from model.package import load_package
from model.pixels import prepare
from tests.support.node import PACKAGE
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import image_reading, radiograph_of, study_reading

SPACING_MM = 0.0275
"""Makes the drawn wrist about 20 megapixels."""

_RESULTS = 1000
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""See proc(5), clear_refs."""

_KIB_IN_MIB = 1024


def main() -> None:
    """Measure, print a table, and one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 objects instead of 1 000")
    parser.add_argument("--spacing-mm", type=float, default=SPACING_MM, help="0.5: 290 x 200")
    options = parser.parse_args()
    figures = measure(20 if options.quick else _RESULTS, options.spacing_mm)
    table = Table("what", "median ms", "forward passes", "MiB added at most")
    forward = figures["ms"]["forward pass"]
    for name, value in figures["ms"].items():
        memory = f"{figures['mib'][name]:.0f}"
        table.add_row(name, f"{value:.1f}", f"{value / forward:.2f}", memory)
    Console().print(table)
    print(json.dumps(figures))


def measure(results: int, spacing_mm: float) -> dict[str, Any]:
    """Time every step in turn, until so many objects were built."""
    source = dx(wrist("PA", spacing_mm=spacing_mm, fracture=True))
    image = image_reading(source, 0.91)
    reading = study_reading([image])
    built = build_results(reading, ReportSettings(presentation_state=True))
    with tempfile.TemporaryDirectory() as folder:
        steps = _steps(reading, source)
        steps["check and write"] = lambda: write(built, Path(folder), reading.study_uid)
        memory = {name: _memory_mib(step) for name, step in steps.items()}
        times: dict[str, list[float]] = {name: [] for name in steps}
        each = len(build_results(reading, ReportSettings()))
        for _ in range(results // each):
            for name, step in steps.items():
                start = time.perf_counter()
                step()
                times[name].append((time.perf_counter() - start) * 1000.0)
            for file in Path(folder).rglob("*.dcm"):
                file.unlink()
    ratios = [
        one / other for one, other in zip(times["all objects"], times["forward pass"], strict=True)
    ]
    ratio = statistics.median(ratios)
    return {
        "megapixels": round(source.Rows * source.Columns / 1e6, 3),
        "results": results // each * each,
        "ms": {name: round(statistics.median(values), 1) for name, values in times.items()},
        "mib": {name: round(value) for name, value in memory.items()},
        "objects_per_forward_pass": round(ratio, 2),
        "pixel_bytes": {str(one.kind): _size(one.dataset) for one in built},
        "goals_met": ratio < 1.0,
    }


def _steps(reading: StudyReading, source: FileDataset) -> dict[str, Callable[[], object]]:
    """Return what is timed: reading the image first, then each object, then all of them."""
    [image] = reading.images
    basis = Basis.of(reading, ReportSettings())
    package = load_package(PACKAGE)
    session = Session(package, "cpu", 0)
    radiograph = radiograph_of(source)
    tensor = prepare(radiograph, package.manifest.pixels)[0][None]
    target = np.array([package.manifest.findings[0].class_index])
    return {
        "forward pass": lambda: session.run(tensor, target),
        "image to network input": lambda: prepare(radiograph, package.manifest.pixels),
        "report": lambda: build_report(basis),
        "summary": lambda: summary(basis).finish(),
        "annotated copy": lambda: annotated_copy(image, "1", basis).sheet.finish(),
        "heat map": lambda: _drawn(heat_map(image, image.scores[0], "1", basis)),
        "all objects": lambda: build_anew(reading),
    }


def _drawn(picture: Framed | None) -> object:
    return picture.sheet.finish() if picture else None


def build_anew(reading: StudyReading) -> object:
    """Build all objects as for a study that was not seen before: nothing is kept from the last."""
    plain_copy.cache_clear()
    return build_results(reading, ReportSettings())


def _size(dataset: Dataset) -> int:
    return len(dataset.get("PixelData", b""))


def _memory_mib(step: Callable[[], object]) -> float:
    """Return what a step adds to the resident size at its highest, MiB."""
    step()
    plain_copy.cache_clear()
    _CLEAR_REFS.write_text(_RESET_PEAK)
    before = _status_mib("VmRSS")
    step()
    return _status_mib("VmHWM") - before


def _status_mib(field: str) -> float:
    lines = _STATUS.read_text().splitlines()
    [line] = [one for one in lines if one.startswith(f"{field}:")]
    return int(line.split()[1]) / _KIB_IN_MIB


if __name__ == "__main__":
    main()
