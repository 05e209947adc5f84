"""What the ledger costs: claims by several processes, and every operation in ledgers of all sizes.

    python -m tests.benchmarks.ledger [--quick]

SQLite on the disk of the working folder, and a private PostgreSQL where it is installed. The last
line is JSON.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, update

from daemon.ledger.jobs.leases import Leases
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.states import JobState
from daemon.ledger.tables import InstanceRow, JobRow, StudyRow
from daemon.records import Arrival
from daemon.signals import Signal
from tests.support.postgres import binaries, emptied, running_postgres

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LEASE = timedelta(seconds=90)
RECIPE = "benchmark"
_BLOCK = 5000
_FIRST_ID = 10**7
"""Beyond what PostgreSQL's sequences will give in a run."""


def arrival(number: int) -> Arrival:
    """Return the arrival of the only image of a study."""
    return Arrival(
        study_uid=f"1.2.{number}",
        sop_instance_uid=f"1.2.{number}.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        patient_key=f"{number:064x}",
        digest=f"{number:064x}",
        file=f"{number:032x}.dcm",
        size=210_000,
        calling_ae="MODALITY",
        received_at=NOW,
    )


def fill(ledger: Ledger, studies: int) -> None:
    """Add studies that are done, one image and one job each."""
    for start in range(1, studies + 1, _BLOCK):
        block = range(start, min(start + _BLOCK, studies + 1))
        with ledger.transaction() as connection:
            connection.execute(insert(StudyRow), [_study(number) for number in block])
            connection.execute(insert(InstanceRow), [_instance(number) for number in block])
            connection.execute(insert(JobRow), [_job(number) for number in block])


def _study(number: int) -> dict[str, object]:
    return {
        "id": _FIRST_ID + number,
        "study_uid": f"1.2.{number}",
        "created_at": NOW,
        "last_arrival_at": NOW,
        "waiting_since": None,
    }


def _instance(number: int) -> dict[str, object]:
    one = arrival(number)
    names = [name for name in InstanceRow.__table__.columns.keys() if hasattr(one, name)]  # noqa: SIM118
    return {name: getattr(one, name) for name in names} | {
        "id": _FIRST_ID + number,
        "study_id": _FIRST_ID + number,
        "replaced": False,
    }


def _job(number: int) -> dict[str, object]:
    return {
        "id": _FIRST_ID + number,
        "study_id": _FIRST_ID + number,
        "inputs_digest": f"{number:064x}",
        "recipe_digest": RECIPE,
        "state": JobState.DONE,
        "priority": 1,
        "attempts": 1,
        "not_before": NOW,
        "worker": None,
        "lease_until": None,
        "created_at": NOW,
        "finished_at": NOW,
    }


def costs(ledger: Ledger, first: int, repeats: int) -> dict[str, float]:
    """Return the median time of each operation, ms; studies are numbered from `first`."""
    queue, leases = Queue(ledger), Leases(ledger)
    numbers = iter(range(first, first + 100_000))

    def claim() -> None:
        number = next(numbers)
        ledger.record([arrival(number)])
        [study] = ledger.waiting()
        queue.enqueue(study.study_id, {"wrist": RECIPE}, NOW)
        begun = time.perf_counter()
        job = queue.claim("benchmark", NOW, LEASE)
        claims.append(time.perf_counter() - begun)
        if job is None:
            raise RuntimeError("the job that was just queued cannot be claimed")
        with ledger.transaction() as connection:
            connection.execute(
                update(JobRow)
                .where(JobRow.id == job.job_id)
                .values(state=JobState.DONE, worker=None, lease_until=None)
            )

    claims: list[float] = []
    for _ in range(repeats):
        claim()
    found = {"claim": statistics.median(claims) * 1e3}
    operations: dict[str, Callable[[], object]] = {
        "record new": lambda: ledger.record([arrival(next(numbers))]),
        "record duplicate": lambda: ledger.record([arrival(first)]),
        "record 16": lambda: ledger.record([arrival(next(numbers)) for _ in range(16)]),
        "expire leases": lambda: leases.expire(leases.running()),
        "count": lambda: ledger.count(Signal.DUPLICATE),
    }
    for name, operation in operations.items():
        times = []
        for _ in range(repeats):
            begun = time.perf_counter()
            operation()
            times.append(time.perf_counter() - begun)
        found[name] = statistics.median(times) * 1e3
    return found


def _claim_all(where: str, name: str, begin: object, done: object) -> None:
    ledger = Ledger(Path(where) if where.startswith("/") else where, migrate=False)
    queue, claimed = Queue(ledger), 0
    begin.wait()  # type: ignore[attr-defined]
    while queue.claim(name, NOW, LEASE) is not None:
        claimed += 1
    done.put(claimed)  # type: ignore[attr-defined]
    ledger.close()


def claims_per_s(where: str, ledger: Ledger, processes: int, jobs: int, first: int) -> float:
    """Return how many jobs a second are claimed by several processes, each job once."""
    queue = Queue(ledger)
    ledger.record([arrival(number) for number in range(first, first + jobs)])
    for study in ledger.waiting():
        queue.enqueue(study.study_id, {"wrist": RECIPE}, NOW)
    context = multiprocessing.get_context("spawn")
    begin, done = context.Barrier(processes + 1), context.Queue()
    workers = [
        context.Process(target=_claim_all, args=(where, f"worker {number}", begin, done))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    begin.wait()
    begun = time.perf_counter()
    claimed = sum(done.get() for _ in workers)
    wall = time.perf_counter() - begun
    for worker in workers:
        worker.join()
    if claimed != jobs:
        raise RuntimeError(f"{claimed} claims of {jobs} jobs")
    return jobs / wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 100 000 studies")
    options = parser.parse_args()
    sizes = [10**3, 10**5] if options.quick else [10**3, 10**5, 10**6]
    repeats, jobs = (60, 200) if options.quick else (100, 500)
    figures: dict[str, dict[str, object]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places: dict[str, Callable[[int], str]] = {"SQLite": lambda n: str(folder / f"{n}.sqlite")}
        if binaries() is not None:
            server = stack.enter_context(running_postgres())
            places["PostgreSQL"] = lambda _n: emptied(server)
        for database, place in places.items():
            figures[database] = _measure(place, sizes, repeats, jobs)
    for database, found in figures.items():
        _show(database, found)
    print(json.dumps(figures))


def _measure(
    place: Callable[[int], str], sizes: list[int], repeats: int, jobs: int
) -> dict[str, object]:
    found: dict[str, object] = {}
    for size in sizes:
        where = place(size)
        ledger = Ledger(Path(where) if where.startswith("/") else where)
        fill(ledger, size)
        if size == sizes[0]:
            for number, processes in enumerate((1, 4, 8), start=1):
                first = 10**8 * number
                rate = claims_per_s(where, ledger, processes, jobs, first)
                found[f"claims/s, {processes} processes"] = round(rate)
        found[f"ms at {size}"] = costs(ledger, 10**7, repeats)
        ledger.close()
    return found


def _show(database: str, found: dict[str, object]) -> None:
    sizes = {key: value for key, value in found.items() if isinstance(value, dict)}
    table = Table("operation", *sizes, title=database)
    for operation in next(iter(sizes.values())):
        table.add_row(operation, *(f"{costs[operation]:.2f}" for costs in sizes.values()))
    Console(width=100).print(table)
    print({key: value for key, value in found.items() if key not in sizes})


if __name__ == "__main__":
    main()
