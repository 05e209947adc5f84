"""What disk and processor allow: the system calls of a durable receive, nothing around them.

    python -m tests.benchmarks.floor [--folder FOLDER] [--objects 300]

One object of 210 kB after the other: file written and synced, named, folder synced, row committed
(SQLite, WAL, synchronous=FULL). Then what hashing 6.3 MB costs in pieces of a PDU.
"""

import argparse
import hashlib
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3
from rich.console import Console
from rich.table import Table

SMALL, LARGE, PDU = 210_000, 6_300_000, 131_066
REPEATS = 9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    parser.add_argument("--objects", type=int, default=300)
    options = parser.parse_args()
    table = Table("step", "median ms")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        steps, cpu_ms = _objects(Path(name), options.objects)
    for step, times in steps.items():
        table.add_row(step, f"{statistics.median(times) * 1e3:.3f}")
    total = statistics.median(map(sum, zip(*steps.values(), strict=True)))
    table.add_row("an object", f"{total * 1e3:.3f} ({1 / total:.0f} a second)")
    table.add_row("CPU time of an object", f"{cpu_ms:.3f}")
    table.add_row("SHA-256 of 6.3 MB", f"{_hashing_ms(hashlib.sha256):.2f}")
    table.add_row("BLAKE3 of 6.3 MB", f"{_hashing_ms(blake3):.2f}")
    Console().print(table)


def _objects(folder: Path, number: int) -> tuple[dict[str, list[float]], float]:
    content = os.urandom(SMALL)
    ledger = sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)
    for setting in ("journal_mode=WAL", "synchronous=FULL"):
        ledger.execute(f"PRAGMA {setting}")
    ledger.execute("CREATE TABLE instance (uid, about)")
    names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    steps: dict[str, list[float]] = {}
    begun = time.process_time()
    for count in range(number):
        part, file = folder / f"{count}.part", folder / f"{count}.dcm"
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        actions: dict[str, Callable[[], object]] = {
            "write": lambda descriptor=descriptor: os.write(descriptor, content),
            "name": lambda part=part, file=file: os.link(part, file),
            "sync the file": lambda descriptor=descriptor: os.fsync(descriptor),
            "sync the folder": lambda: os.fsync(names),
            "commit": lambda count=count: ledger.execute(
                "INSERT INTO instance VALUES (?, ?)", (count, "x" * 300)
            ),
            "tidy up": lambda descriptor=descriptor, part=part: (
                os.close(descriptor),
                part.unlink(),
            ),
        }
        for step, act in actions.items():
            start = time.perf_counter()
            act()
            steps.setdefault(step, []).append(time.perf_counter() - start)
    cpu_ms = (time.process_time() - begun) / number * 1e3
    os.close(names)
    ledger.close()
    return steps, cpu_ms


def _hashing_ms(make: Callable[[], object]) -> float:
    pieces = [os.urandom(PDU)] * (LARGE // PDU)
    times = []
    for _ in range(REPEATS):
        hasher, start = make(), time.perf_counter()
        for piece in pieces:
            hasher.update(piece)  # type: ignore[attr-defined]  # both have it
        hasher.hexdigest()  # type: ignore[attr-defined]
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


if __name__ == "__main__":
    main()
