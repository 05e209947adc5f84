"""Does one odd object harm others? Thousands with faults, to a daemon, to the end of its queue.

    python -m tests.benchmarks.fuzz [--objects N] [--seconds S] [--quick] [--seed K]

Drawn films in every lossless syntax, and real files where WRISTD_TEST_DATA names some, get the
faults of `tests.support.mutations` and are sent as C-STORE requests, honest studies in between.
Prints a table, and as its last line one JSON object.
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pynetdicom.events import Event
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from typing_extensions import override

from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import StudyState, backlog, study_states
from daemon.ledger.tables import InstanceRow
from model.package import write_package
from tests.benchmarks.odd_traffic import Traffic
from tests.support.fakes import Archive
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.mutations import CANARIES
from tests.support.node import Node, model_block, running_daemon
from tests.support.processes import status
from tests.support.recordings import drawn, real

OBJECTS, QUICK_OBJECTS = 20_000, 400
QUIET_S = 1.0
HONEST_WITHIN_S = 10.0
MOST_OPEN = 12
"""Studies on their way: beyond, the odd senders wait, as they would at a real node's pace."""
STALLED_AFTER_S = 90.0
GROWTH, GROWTH_MB = 1.1, 32.0
"""What the memory of the last third may have more than that of the second: a share, and MB. It
rises in steps, with the largest objects so far."""
_EVERYTHING = 10_000_000
_SAMPLE_S = 0.25
_KB_PER_MB = 1024
_ANALYSED = ("positive", "doubt", "negative")
_SETTLED = ("done", "quarantined")
_OPEN, _SENDING = ("jobs queued", "jobs running"), "deliveries pending"
_LEFT_OUT = re.compile(r" daemon\.results\.reporter: left out: (.*) study=")
_DEFECT = re.compile(r"^(\w+(?:\.\w+)*(?:Error|Exception))\b")
"""The last line of a traceback."""
_ALERTS = ("alert_no_report", "alert_result_left_out", "alert_study_quarantined")


class Sink(Archive):
    """An archive that says Success to everything and keeps nothing."""

    @override
    def _store(self, event: Event) -> int:
        return 0x0000


@dataclass
class Run:
    """One daemon under traffic, watched."""

    node: Node
    ledger: Ledger
    traffic: Traffic
    samples: list[tuple[float, int]] = field(default_factory=list)
    """Resident memory, MB, and threads."""
    is_stalled: bool = False

    def watch(self, seconds: float) -> None:
        """Let the traffic run, then the daemon come to rest; stop when nothing moves any more."""
        pause, began, moved, last = threading.Event(), time.monotonic(), time.monotonic(), None
        while not self.is_stalled:
            now = time.monotonic()
            if now - began > seconds and not self.traffic.is_over:
                self.traffic.stop()
            counts, waiting = backlog(self.ledger), len(self.ledger.waiting())
            unread = waiting + sum(counts.get(name, 0) for name in _OPEN)
            if not self.traffic.is_over:
                self.traffic.make_room(MOST_OPEN - unread)
            elif not unread and not counts.get(_SENDING):
                return
            state = (counts, waiting, self.traffic.sent)
            if state != last:
                moved, last = now, state
            self.is_stalled = now - moved > STALLED_AFTER_S
            self._sample()
            pause.wait(_SAMPLE_S)
        self.traffic.stop()

    def figures(self) -> dict[str, Any]:
        """Return all that was counted."""
        states = {one.study_uid: one for one in study_states(self.ledger, _EVERYTHING)}
        shown = json.loads(self.node.wristd("status"))
        counters, alerts = shown["counters"], {it["alert"]: it["number"] for it in shown["alerts"]}
        honest = [states.get(one) for one in self.traffic.honest]
        return {
            "sent": self.traffic.sent,
            "acknowledged": len(self.traffic.acknowledged),
            "refused": dict(self.traffic.refused),
            "silent": self.traffic.silent,
            "studies": len(states),
            "outcomes": dict(Counter(map(_outcome, states.values())).most_common()),
            "without_outcome": sum(not _is_settled(one) for one in states.values()),
            "lost": self._lost(counters),
            "stalled": self.is_stalled,
            "honest": len(honest),
            "honest_unread": sum(not one or one.category not in _ANALYSED for one in honest),
            "honest_latest_s": max((_late_s(one) for one in honest if one), default=0.0),
            "canaries": self._canaries(),
            **{name: alerts.get(name, 0) for name in _ALERTS},
            "left_out": dict(Counter(self._said(_LEFT_OUT))),
            "defects": dict(Counter(self._said(_DEFECT))),
            **self._growth(),
        }

    def _sample(self) -> None:
        pid = self.node.process.pid
        self.samples.append((status(pid, "VmRSS") / _KB_PER_MB, status(pid, "Threads")))

    def _growth(self) -> dict[str, float]:
        third = max(1, len(self.samples) // 3)
        second, last = self.samples[third : 2 * third], self.samples[-third:]
        found = {}
        for name, part in (("second", second or last), ("last", last)):
            found[f"rss_mb_{name}_third"] = round(statistics.median(one[0] for one in part), 1)
            found[f"threads_{name}_third"] = statistics.median(one[1] for one in part)
        return found

    def _lost(self, counters: dict[str, int]) -> int:
        """Count what was answered with Success, and neither kept nor ignored on purpose."""
        with self.ledger.snapshot() as connection:
            kept = set(connection.scalars(select(InstanceRow.sop_instance_uid)))
        ignored = counters.get("ignored_sop_class", 0) + counters.get("self_output", 0)
        return max(0, len(self.traffic.acknowledged - kept) - ignored)

    def _said(self, pattern: re.Pattern[str]) -> Iterator[str]:
        """Give what the log says of a kind: fixed words and tags."""
        return (match[1] for line in self.node.log if (match := pattern.search(line)))

    def _canaries(self) -> int:
        """Count the lines of logs, names of files and lines of commands that name a patient."""
        state = self.node.settings.parent / "state"
        said = [
            self.node.wristd(*words) for words in (("status",), ("studies", "--json"), ("studies",))
        ]
        lines = [*self.node.log, *(file.name for file in state.rglob("*"))]
        lines += [line for text in said for line in text.splitlines()]
        canaries = [one.decode() for one in CANARIES]
        return sum(any(one in line for one in canaries) for line in lines)


def goals(figures: dict[str, Any]) -> dict[str, bool]:
    """Judge the figures."""
    most_mb = figures["rss_mb_second_third"] * GROWTH + GROWTH_MB
    return {
        "every acknowledged study has its outcome": not figures["without_outcome"]
        and not figures["lost"]
        and not figures["stalled"],
        "every object is answered": not figures["silent"],
        "every study has a report": not figures["alert_no_report"],
        "honest studies are read in time": figures["honest"] > 0
        and not figures["honest_unread"]
        and figures["honest_latest_s"] <= HONEST_WITHIN_S,
        "no patient is named": not figures["canaries"],
        "memory is flat": figures["rss_mb_last_third"] <= most_mb,
        "threads are flat": figures["threads_last_third"] <= figures["threads_second_third"] + 2,
    }


def fuzz(folder: Path, objects: int, seconds: float, seed: int) -> dict[str, Any]:
    """Send, wait, and return the figures and whether each goal is met."""
    named = os.environ.get("WRISTD_TEST_DATA")
    files = real(Path(named) / "dicom") if named else []
    with _running(folder) as (node, ledger):
        run = Run(node, ledger, Traffic(node, drawn(), files, seed, objects))
        began = time.monotonic()
        run.traffic.start()
        run.watch(seconds)
        figures = run.figures()
        took = time.monotonic() - began
    met = goals(figures)
    return {
        "seed": seed,
        "seconds": round(took),
        **figures,
        "goals": met,
        "goals_met": all(met.values()),
    }


@contextmanager
def _running(folder: Path) -> Iterator[tuple[Node, Ledger]]:
    graph = write_graph(folder / "graph.onnx", gain=1.0)
    write_package(folder / "package", graph, tiny_manifest(graph), "")
    sections = {
        "receiver": {"host": "127.0.0.1", "port": 0, "min_free_bytes": 0, "warn_free_bytes": 0},
        "assembly": {"quiet_period_s": QUIET_S, "sweep_interval_s": 0.2},
        "models": [model_block(folder / "package")],
        "reading": {
            "provider": "cpu",
            "threads": 1,
            "retry_delay_s": 0.2,
        },
        "report": {"heat_map": False},
        "retention": {"results_s": 1.0},
    }
    with (
        Sink(ae_title="PACS") as archive,
        running_daemon(folder / "node", [archive], sections) as node,
    ):
        ledger = Ledger(folder / "node" / "state" / "ledger.sqlite")
        try:
            yield node, ledger
        finally:
            ledger.close()


def _outcome(one: StudyState) -> str:
    said = f"{one.category} ({one.reason})" if one.reason else one.category
    return f"{one.state}: {said}"


def _is_settled(one: StudyState) -> bool:
    return one.state in _SETTLED and one.category is not None


def _late_s(one: StudyState) -> float:
    """Return how long after the end of its quiet period a study was read."""
    if one.finished_at is None:
        return float("inf")
    return round((one.finished_at - one.last_arrival_at).total_seconds() - QUIET_S, 2)


def main() -> None:
    """Run once; exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=OBJECTS)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of sending")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    objects = min(options.objects, QUICK_OBJECTS) if options.quick else options.objects
    with tempfile.TemporaryDirectory() as name:
        found = fuzz(Path(name), objects, options.seconds, options.seed)
    table = Table("figure", "value")
    for key, value in found.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for part, one in rows:
            table.add_row(f"{key}: {part}" if part else key, str(one))
    Console().print(table)
    print(json.dumps(found))
    sys.exit(0 if found["goals_met"] else 1)


if __name__ == "__main__":
    main()
