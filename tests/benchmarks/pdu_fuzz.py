"""Does any stream of bytes harm the receiver? Streams of real senders, mutated, by the thousand.

    python -m tests.benchmarks.pdu_fuzz [--streams N] [--seconds S] [--clients C] [--seed K]

What echoscu, storescu, dcmsend, findscu and pynetdicom say is overheard, gets the faults of
`tests.support.pdu_mutations`, and goes over loopback to a receiver in this process, each stream
over a connection of its own; an honest sender stores in between. Clients are processes of their
own, each with several threads. Prints one JSON object; exits with 1 when a goal is missed.
"""

import argparse
import json
import multiprocessing
import multiprocessing.queues
import os
import queue
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pynetdicom import build_context
from pynetdicom.sop_class import Verification
from sqlalchemy import select

from daemon import logs
from daemon.ledger.ledger import Ledger
from daemon.ledger.tables import InstanceRow
from tests.benchmarks.pdu_house import House, receiving
from tests.benchmarks.pdu_senders import Sent, send_streams
from tests.support.fakes import Modality
from tests.support.objects import dx
from tests.support.overheard import CALLED, CALLING, overhear
from tests.support.tools import PeerError, wait_until

STREAMS, CLIENTS = 1_000_000, 2
HONEST_EVERY_S = 1.0
HONEST_WITHIN_S = 5.0
QUIET_WITHIN_S = 20.0
GROWTH, GROWTH_MB = 1.05, 8.0
"""What the memory of the last third may have more than that of the second: a share, and MB."""
MOST_LINES_A_MINUTE = 300
"""Of the log: some 20 kinds of message, from twenty addresses."""
ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""As receiver processes have it; with more, what threads leave behind looks like a leak."""
_THIS = "tests.benchmarks.pdu_fuzz"
_SAMPLE_S, _TIDY_EVERY_S = 0.25, 5.0
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
Reports = multiprocessing.queues.Queue
Held = tuple[int, int]
"""Threads and descriptors."""
_PICTURE = np.arange(16 * 12, dtype=np.uint16).reshape(16, 12)


@dataclass
class Run:
    """One receiver under streams."""

    house: House
    seed: int
    sent: Sent = field(default_factory=Sent)
    samples: list[float] = field(default_factory=list)
    """Resident memory, MB."""
    acknowledged: int = 0
    lost: set[str] = field(default_factory=set)
    """Acknowledged, and not in the ledger when it was looked up."""
    late_s: list[float] = field(default_factory=list)
    """How long an honest echo and store took."""
    honest: set[str] = field(default_factory=set)
    honest_failures: int = 0
    began: float = field(default_factory=time.monotonic)

    def store_honestly(self) -> None:
        """Echo and store over an association of DICOM's usual kind."""
        begun = time.monotonic()
        number = len(self.honest) + self.honest_failures
        film = dx(_PICTURE, number=100_000 * self.seed + number)
        modality = Modality(self.house.receiver.port, CALLED, CALLING)
        try:
            echo = modality.associate([build_context(Verification)])
            good = echo.send_c_echo().get("Status") == 0x0000
            echo.release()
            [answer] = modality.send(film)
            good = good and answer.get("Status") == 0x0000
        except (ConnectionError, RuntimeError):
            good = False
        self.late_s.append(time.monotonic() - begun)
        if good:
            self.honest.add(str(film.SOPInstanceUID))
        else:
            self.honest_failures += 1

    def watch(self, reports: Reports, streams: int, seconds: float) -> None:
        """Collect reports, store honestly and take samples until there were enough streams."""
        honest = tidied = 0.0
        while self.sent.streams < streams and time.monotonic() - self.began < seconds:
            self.collect(reports, _SAMPLE_S)
            self.samples.append(_resident_mb())
            now = time.monotonic()
            if now - honest > HONEST_EVERY_S:
                honest = now
                self.store_honestly()
            if now - tidied > _TIDY_EVERY_S:
                tidied = now
                for file in self.house.place.quarantine.iterdir():
                    file.unlink()

    def collect(self, reports: Reports, within_s: float) -> None:
        """Add up the reports that come within a while; what was acknowledged is looked up."""
        end = time.monotonic() + within_s
        while (left_s := end - time.monotonic()) > 0:
            try:
                report = reports.get(timeout=left_s)
            except queue.Empty:
                return
            self.sent.streams += report.streams
            self.sent.silent += report.silent
            self.sent.ends.update(report.ends)
            self.acknowledged += len(report.acknowledged)
            self.lost |= report.acknowledged - self._kept(report.acknowledged)

    def figures(self) -> dict[str, Any]:
        """Return all that was counted."""
        seconds = time.monotonic() - self.began
        third = max(1, len(self.samples) // 3)
        second, last = self.samples[third : 2 * third], self.samples[-third:]
        return {
            "seed": self.seed,
            "streams": self.sent.streams,
            "seconds": round(seconds),
            "streams_a_second": round(self.sent.streams / seconds),
            "ends": dict(self.sent.ends.most_common()),
            "not_ended_in_time": self.sent.silent,
            "tracebacks": len(self.house.defects),
            "first_traceback": next(iter(self.house.defects), ""),
            "acknowledged": self.acknowledged,
            "lost": len(self.lost | (self.honest - self._kept(self.honest))),
            "honest": len(self.honest),
            "honest_failures": self.honest_failures,
            "honest_latest_s": round(max(self.late_s), 2),
            "log_lines_a_minute": round(self.house.log.count / max(seconds / 60, 1)),
            "rss_mb_second_third": round(statistics.median(second or last), 1),
            "rss_mb_last_third": round(statistics.median(last), 1),
        }

    def _kept(self, wanted: set[str]) -> set[str]:
        """Return which of these objects the ledger has."""
        query = select(InstanceRow.sop_instance_uid).where(InstanceRow.sop_instance_uid.in_(wanted))
        with self.house.ledger.snapshot() as connection:
            return set(connection.scalars(query))


def goals(figures: dict[str, Any]) -> dict[str, bool]:
    """Judge the figures."""
    most_mb = figures["rss_mb_second_third"] * GROWTH + GROWTH_MB
    return {
        "no traceback": not figures["tracebacks"],
        "every stream is ended": not figures["not_ended_in_time"],
        "nothing acknowledged is lost": figures["acknowledged"] > 0 and not figures["lost"],
        "honest senders are served": figures["honest"] > 0
        and not figures["honest_failures"]
        and figures["honest_latest_s"] <= HONEST_WITHIN_S,
        "the log stays short": figures["log_lines_a_minute"] <= MOST_LINES_A_MINUTE,
        "memory is flat": figures["rss_mb_last_third"] <= most_mb,
        "threads and descriptors are given back": figures["given_back"],
    }


def fuzz(folder: Path, streams: int, seconds: float, seed: int, clients: int) -> dict[str, Any]:
    """Send, and return the figures and whether each goal is met."""
    said = list(overhear(folder / "said").values())
    spawn = multiprocessing.get_context("spawn")
    stop, reports = spawn.Event(), spawn.Queue()
    with receiving(folder) as house:
        run = Run(house, seed)
        _open_all(house.ledger)
        run.store_honestly()
        wait_until(lambda: _serving() == 0, "the first sender to leave")
        before = _held()
        senders = [
            spawn.Process(
                target=send_streams,
                args=(house.receiver.port, said, f"{seed}/{number}", stop, reports),
                daemon=True,
            )
            for number in range(clients)
        ]
        for sender in senders:
            sender.start()
        wait_until(lambda: run.collect(reports, _SAMPLE_S) or run.sent.streams > 0, "the clients")
        run.began = time.monotonic()
        run.watch(reports, streams, seconds)
        figures = _ended(run, senders, stop, reports, before)
    met = goals(figures)
    return {**figures, "goals": met, "goals_met": all(met.values())}


def _ended(
    run: Run, senders: list[Any], stop: Any, reports: Reports, before: Held
) -> dict[str, Any]:
    """Let the clients end; return the figures, and whether all they held is given back."""
    stop.set()
    while any(sender.is_alive() for sender in senders):
        run.collect(reports, _SAMPLE_S)
    for sender in senders:
        sender.join()
        sender.close()
    run.collect(reports, _SAMPLE_S)
    took = run.figures()
    run.store_honestly()
    try:
        wait_until(lambda: _serving() == 0 and _held() <= before, "what was held", QUIET_WITHIN_S)
        is_back = True
    except PeerError:
        is_back = False
    last = {"honest": len(run.honest), "honest_failures": run.honest_failures}
    held = {"before": before, "after": _held(), "given_back": is_back}
    return {**took, **last, **held, "left_open": [] if is_back else _open_files()}


def _open_all(ledger: Ledger) -> None:
    """Open what stays open: as many connections to the database as are kept for later."""
    for connection in [ledger.engine.connect() for _ in range(ledger.engine.pool.size())]:
        connection.close()


def _serving() -> int:
    return sum(thread.name == "association" for thread in threading.enumerate())


def _held() -> Held:
    threads = [one for one in threading.enumerate() if one.name != logs.TIMER]
    return len(threads), len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def _open_files() -> list[str]:
    """Return what the descriptors of this process stand for."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that reads the folder
            found.append(str(one.readlink()))
    return sorted(found)


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_MB


def main() -> None:
    """Run once; exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not ARENAS.items() <= os.environ.items():  # the C library reads it at the start
        os.execve(sys.executable, [sys.executable, "-m", _THIS, *sys.argv[1:]], os.environ | ARENAS)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        found = fuzz(Path(name), options.streams, options.seconds, options.seed, options.clients)
    print(json.dumps(found))
    sys.exit(0 if found["goals_met"] else 1)


if __name__ == "__main__":
    main()
