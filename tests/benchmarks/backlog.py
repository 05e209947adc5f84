"""From the queue to the outbox: studies a second and memory, as the backlog grows.

    python -m tests.benchmarks.backlog [--studies 10 100 1000] [--no-heat-maps] [--spacing-mm 0.5]
        [--package FOLDER]

Every study is one drawn film. They are queued first; then the daemon's own pipeline reads, reports
and settles them all, beside nothing else, in a process of its own for each size of the backlog. The
bare session (one call for each image, as the daemon calls it) is timed before and after in the same
process. Figures of each tenth of a backlog go to stderr as they come, so that a run which is broken
off leaves them. The last line is JSON. `tests.benchmarks.heavy` makes a package of the size that
papers use.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from daemon import service
from daemon.clock import utc_now
from daemon.ledger.overview import backlog
from daemon.reading.sandbox import DecoderProcess
from daemon.records import Arrival
from daemon.settings import load
from model.pixels import prepare
from tests.support.node import PACKAGE, model_block, settings_text
from tests.support.objects import dx, save
from tests.support.phantoms import wrist
from tests.support.tools import free_port

_ROOT = "1.2.826.0.1.3680043.10.1999"
_FIRST = 100_000_000
_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_GOAL = 0.9
_FLAT = 0.85
_BARE_S = 10.0
_BARE_CALLS = 40
_PARTS = 10


class _Archive:
    ae_title = "PACS"

    def __init__(self) -> None:
        self.port = free_port()


def main() -> None:
    """Measure each size in a new process, print a table, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--no-heat-maps", action="store_true")
    parser.add_argument("--spacing-mm", type=float, default=0.5, help="0.14 is 1036 x 714 pixels")
    parser.add_argument("--package", type=Path, default=PACKAGE)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("broken off"))  # leaves no folder behind
    if options.one:
        sections = {
            "models": [model_block(options.package.resolve())],
            "reading": {"provider": "cpu"},
            "report": {"heat_map": not options.no_heat_maps},
        }
        print(json.dumps(measure(options.one, options.spacing_mm, sections)))
        return
    found = [_apart(number) for number in options.studies]
    columns = ("studies", "per s", "bare session, images/s", "ratio", "cores busy")
    table = Table(*columns, "RSS MiB", "of decoders")
    for row in found:
        table.add_row(*(str(row[key]) for key in _SHOWN))
    Console().print(table)
    last, first = found[-1], found[0]
    print(
        json.dumps(
            {
                "runs": found,
                "throughput_flat": last["per_s"] >= _FLAT * max(row["per_s"] for row in found),
                "memory_growth_mib": round(last["rss_mib"] - first["rss_mib"]),
                "goals_met": all(row["ratio"] >= _GOAL for row in found),
            }
        )
    )


_SHOWN = ("studies", "per_s", "bare_per_s", "ratio", "cores_busy", "rss_mib", "decoders_rss_mib")


def _apart(number: int) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.backlog",
        *sys.argv[1:],
        "--one",
        str(number),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"measured {number}: {row}", file=sys.stderr)
    return row


def measure(studies: int, spacing_mm: float, sections: dict[str, Any]) -> dict[str, Any]:
    """Queue `studies` films, time the pipeline from the first to the last."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "settings.toml"
        file.write_text(settings_text(sections, [_Archive()]))
        site = service.build(load(file), file)
        shape = _queue(site, studies, spacing_mm)
        before = _bare(site)
        drain = _Drain(site, studies)
        drain.run()
        bare = statistics.mean([before, _bare(site)])
        site.decoders.close()
        site.ledger.close()
    per_s = studies / drain.seconds
    return {
        "studies": studies,
        "rows_columns": shape,
        "package": Path(sections["models"][0]["package"]).name,
        "heat_map": sections["report"]["heat_map"],
        "per_s": round(per_s, 2),
        "bare_per_s": round(bare, 2),
        "ratio": round(per_s / bare, 3),
        "cores_busy": round(drain.busy, 2),
        "rss_mib": round(drain.peak),
        "decoders_rss_mib": round(drain.decoders),
        "parts": drain.parts,
    }


def _queue(site: service.Service, studies: int, spacing_mm: float) -> tuple[int, int]:
    """Put films into spool and ledger, and queue them: one template, other UIDs of equal length."""
    template = dx(wrist("PA", spacing_mm=spacing_mm, fracture=True))
    for keyword in _KEYWORDS:
        setattr(template, keyword, _uid(keyword, 0))
    template.file_meta.MediaStorageSOPInstanceUID = template.SOPInstanceUID
    content = save(template, site.place.root / "template.dcm").read_bytes()
    now = utc_now()
    arrivals = []
    for number in range(1, studies + 1):
        changed = content
        for keyword in _KEYWORDS:
            changed = changed.replace(_uid(keyword, 0).encode(), _uid(keyword, number).encode())
        file = site.place.spool / f"{number}.dcm"
        file.write_bytes(changed)
        uids = _uid("StudyInstanceUID", number), _uid("SOPInstanceUID", number)
        syntax = template.file_meta.TransferSyntaxUID
        size = len(changed)
        arrivals.append(
            Arrival(*uids, template.SOPClassUID, syntax, "p", "a" * 64, file.name, size, "X", now)
        )
    site.ledger.record(arrivals)
    for study in site.ledger.waiting():
        site.pipeline.worker.queue.enqueue(study.study_id, {"wrist": "recipe"}, now)
    return int(template.Rows), int(template.Columns)


def _uid(keyword: str, number: int) -> str:
    return f"{_ROOT}.{_KEYWORDS.index(keyword) + 1}.{_FIRST + number}"


def _bare(site: service.Service) -> float:
    """Images a second of the guarded session alone, one image of the backlog in each call."""
    reader = site.pipeline.worker.reader
    decoder = DecoderProcess(site.settings.reading)
    film = decoder.decode(next(site.place.spool.glob("*.dcm")))
    decoder.close()
    tensor = prepare(film.radiograph, reader.package.manifest.pixels)[0][None]
    target = np.array([1])
    reader.network.run(tensor, target)
    start, calls = time.perf_counter(), 0
    while calls < _BARE_CALLS and time.perf_counter() - start < _BARE_S:
        reader.network.run(tensor, target)
        calls += 1
    return calls / (time.perf_counter() - start)


@dataclass
class _Drain:
    """The pipeline at work until all is settled.

    Seconds, own and decoders' peak memory in MiB, and the share of the machine's cores that was
    busy, with whatever: where it is near 1, steps that overlap better would gain nothing.
    """

    site: service.Service
    studies: int
    seconds: float = 0.0
    peak: float = 0.0
    decoders: float = 0.0
    busy: float = 0.0
    parts: list[dict[str, float]] = field(default_factory=list)

    def run(self) -> None:
        stop = threading.Event()
        thread = threading.Thread(target=self.site.pipeline.run, args=(stop,))
        start = last = time.perf_counter()
        ticks, done = _ticks(), 0
        thread.start()
        try:
            while done < self.studies:
                time.sleep(0.2)
                waiting = backlog(self.site.ledger)
                done = self.studies - sum(waiting.get(f"jobs {s}", 0) for s in _UNSETTLED)
                self.seconds = time.perf_counter() - start
                self.peak = max(self.peak, _rss_mib("self"))
                self.decoders = max(self.decoders, sum(map(_rss_mib, _decoders())))
                before = int(sum(part["studies"] for part in self.parts))
                enough = done - before >= self.studies / _PARTS or done == self.studies
                if enough and self.studies >= _PARTS**2:
                    self._note(done - before, self.seconds - (last - start))
                    last = start + self.seconds
            spent = [after - before for before, after in zip(ticks, _ticks(), strict=True)]
            self.busy = 1.0 - (spent[3] + spent[4]) / sum(spent)
        finally:
            stop.set()
            thread.join()

    def _note(self, studies: int, seconds: float) -> None:
        """Say how the last part went."""
        part = {
            "studies": studies,
            "per_s": round(studies / seconds, 2),
            "rss_mib": round(_rss_mib("self")),
        }
        self.parts.append(part)
        print(f"of {self.studies}: {json.dumps(part)}", file=sys.stderr, flush=True)


_UNSETTLED = ("queued", "running")


def _ticks() -> list[int]:
    """User, nice, system, idle, waiting for disks, ...: of all cores since the machine started."""
    return [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


def _decoders() -> list[str]:
    """Return our decoding children; a child just forked for a checker has our own memory still."""
    own = f"PPid:\t{os.getpid()}\n"
    return [
        status.parent.name
        for status in Path("/proc").glob("[0-9]*/status")
        if own in _read(status) and "daemon.reading.child" in _read(status.parent / "cmdline")
    ]


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # it has ended
        return ""


def _rss_mib(process: str) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * 4096 / 1024**2


if __name__ == "__main__":
    main()
