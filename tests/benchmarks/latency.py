"""From the end of the quiet period to the first and the last result in an archive, by stage.

    python -m tests.benchmarks.latency [--studies 40] [--waiting 100] [--spacing-mm 0.14]

Studies of two DX images each come to a daemon with its shipped settings, one after the other at
uneven distances; only the quiet period is another one. Results go to DCMTK's storescp. Every time
is the daemon's own (arrival in the ledger, records of its log), or that of the file in the archive.
Before the first study is due nothing is to be done: then the daemon's CPU time is measured.

With --waiting so many further studies wait for the end of their quiet period meanwhile. The last
line is JSON.
"""

import argparse
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from pydicom import FileDataset, dcmread
from rich.console import Console
from rich.table import Table

from daemon.logs import study_key
from tests.benchmarks.receivers import Measured
from tests.support.node import Node, is_settled, running_daemon
from tests.support.objects import save_all, study_of, uid
from tests.support.peers import running_storescp
from tests.support.phantoms import wrist
from tests.support.tools import storescu, wait_until

P50_S, P95_S, IDLE_SHARE = 0.9, 1.5, 0.01
"""The goals."""
AT_REST = 0.05
"""Share of a core below which a daemon that was just started has loaded what it needs."""
STAGES = {
    "enqueued": "study complete",
    "claimed": "study claimed",
    "opened": "images opened",
    "inferred": "images read",
    "reported": "results written",
    "settled": "read: ",
}
"""What the log says at the end of each stage; records of level DEBUG among them."""
FIRST, LAST = "first object stored", "last object stored"


@dataclass
class Plan:
    """How a run goes."""

    studies: int
    waiting: int
    spacing_mm: float
    distance_s: float
    idle_s: float
    seed: int = 1
    distances: list[float] = field(init=False)
    quiet_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Studies become due at the distances at which they came, and none before all have come.

        The distances are uneven, so that they hit any timer of the daemon at any phase.
        """
        uneven = random.Random(self.seed)
        self.distances = [self.distance_s * uneven.uniform(0.75, 1.25) for _ in range(self.studies)]
        sending_s = sum(self.distances) + 0.1 * self.waiting
        self.quiet_s = round(sending_s + self.idle_s + 5.0, 1)

    @property
    def sections(self) -> dict[str, dict[str, object]]:
        """Settings: the shipped ones where nothing else is needed."""
        return {
            "assembly": {"quiet_period_s": self.quiet_s, "sweep_interval_s": 1.0},
            "delivery": {"interval_s": 2.0, "first_delay_s": 10.0},
            "log": {"level": "DEBUG", "style": "json"},
        }


def main() -> None:
    """Measure, print tables, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--waiting", type=int, default=0, help="further studies that wait")
    parser.add_argument("--spacing-mm", type=float, default=0.14, help="0.14 is 1036 x 714 pixels")
    parser.add_argument("--distance-s", type=float, default=2.0, help="mean, between two studies")
    parser.add_argument("--idle-s", type=float, default=30.0)
    options = parser.parse_args()
    plan = Plan(
        options.studies, options.waiting, options.spacing_mm, options.distance_s, options.idle_s
    )
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        run = Run(Path(name), plan)
        run.go()
    show(run)
    print(json.dumps(judged(run) | {"load": [round(before, 2), round(os.getloadavg()[0], 2)]}))


@dataclass
class Run:
    """One daemon, one archive, and what was measured of them."""

    folder: Path
    plan: Plan
    idle: dict[str, float] = field(default_factory=dict)
    times: list[dict[str, float]] = field(default_factory=list)
    """Of each study: seconds after its quiet period, by stage."""
    pixels: str = ""

    def go(self) -> None:
        """Send, wait, collect."""
        archive = self.folder / "archive"
        with ExitStack() as stack:
            port = stack.enter_context(running_storescp(archive))
            peer = SimpleNamespace(ae_title="STORESCP", port=port)
            node = stack.enter_context(
                running_daemon(self.folder / "node", [peer], self.plan.sections)
            )
            wait_until(lambda: self._share(node, 2.0) < AT_REST, "the decoders to be up", 120.0)
            self.idle["nothing waits"] = self._share(node, self.plan.idle_s)
            measured = self._send(node, self.plan.studies, "measured", self.plan.distances)
            self._send(node, self.plan.waiting, "waiting", [0.0] * self.plan.waiting)
            waiting = self.plan.studies + self.plan.waiting
            self.idle[f"{waiting} studies wait"] = self._share(node, self.plan.idle_s)
            keys = {study_key(study) for study in measured}
            wait_until(
                lambda: keys <= _settled(node.log), "the last study", self.plan.quiet_s + 120.0
            )
            wait_until(lambda: self._are_delivered(node, measured), "their results", 120.0)
            events = _events(node.log)
            due = _due(self.folder / "node" / "state" / "ledger.sqlite", self.plan.quiet_s)
        stored = _stored(archive)
        self.times = [
            _times(due[study], events[study_key(study)], stored[study]) for study in measured
        ]

    def _are_delivered(self, node: Node, studies: list[str]) -> bool:
        limit = str(self.plan.studies + self.plan.waiting)
        rows = json.loads(node.wristd("studies", "--json", "--limit", limit))
        found = {row["study_uid"]: row for row in rows}
        return all(is_settled(found.get(study)) for study in studies)

    def _share(self, node: Node, over_s: float) -> float:
        """Return which share of one core the daemon and its children take."""
        daemon = Measured("wristd", node.ae_title, node.port, node.process.pid)
        begun, cpu_s = time.monotonic(), daemon.cpu_s()
        threading.Event().wait(over_s)
        return (daemon.cpu_s() - cpu_s) / (time.monotonic() - begun)

    def _send(self, node: Node, number: int, kind: str, pauses: Iterable[float]) -> list[str]:
        """Send studies, each over its own association; returns their UIDs."""
        if not number:
            return []
        template = study_of(
            [
                (view, wrist(view, fracture=True, spacing_mm=self.plan.spacing_mm))
                for view in ("PA", "LAT")
            ]
        )
        self.pixels = f"{template[0].Rows} x {template[0].Columns}"
        studies = []
        began = time.monotonic()
        for count, pause in enumerate(pauses):
            studies.append(uid("latency", kind, count))
            _rename(template, studies[-1])
            files = save_all(template, self.folder / f"{kind}-{count}")
            began += pause
            threading.Event().wait(max(0.0, began - time.monotonic()))
            code, said = storescu(node.port, node.ae_title, *files)
            if code:
                sys.exit(f"storescu: {said}")
        return studies


def _rename(datasets: list[FileDataset], study_uid: str) -> None:
    for number, dataset in enumerate(datasets):
        dataset.StudyInstanceUID = study_uid
        dataset.SeriesInstanceUID = uid(study_uid, "series", number)
        dataset.SOPInstanceUID = uid(study_uid, "image", number)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _records(log: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in list(log) if line.startswith("{")]


def _settled(log: list[str]) -> set[str]:
    """Return the keys of the studies that were read."""
    return {record["study"] for record in _records(line for line in list(log) if '"read: ' in line)}


def _events(log: list[str]) -> dict[str, dict[str, float]]:
    """Return when each stage of each study ended, by study key: seconds since 1970."""
    events: dict[str, dict[str, float]] = {}
    for record in _records(log):
        for stage, words in STAGES.items():
            if record["message"].startswith(words) and "study" in record:
                at = datetime.fromisoformat(record["time"]).timestamp()
                events.setdefault(record["study"], {})[stage] = at
    return events


def _due(ledger: Path, quiet_s: float) -> dict[str, float]:
    """Return when the quiet period of each study ended: seconds since 1970."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT study_uid, last_arrival_at FROM study").fetchall()
    connection.close()
    return {study: at / 1e6 + quiet_s for study, at in rows}


def _stored(archive: Path) -> dict[str, list[float]]:
    """Return when the objects of each study were whole in the archive: seconds since 1970."""
    stored: dict[str, list[float]] = {}
    for file in archive.iterdir():
        study = str(dcmread(file, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
        stored.setdefault(study, []).append(file.stat().st_mtime)
    return stored


def _times(due: float, events: dict[str, float], stored: list[float]) -> dict[str, float]:
    """Return the seconds between the end of the quiet period and the end of each stage."""
    ends = {stage: events[stage] for stage in STAGES} | {FIRST: min(stored), LAST: max(stored)}
    return {stage: end - due for stage, end in ends.items()} | {"objects": float(len(stored))}


def show(run: Run) -> None:
    """Print what each stage took, and what all took together."""
    objects = statistics.median(one["objects"] for one in run.times)
    table = Table(
        "stage", "p50 ms", "p95 ms", "since due: p50 ms", "p95 ms", "max ms",
        title=f"{len(run.times)} studies of 2 images of {run.pixels}, {objects:.0f} results each; "
        f"{run.plan.waiting} others wait",
    )  # fmt: skip
    before = [0.0] * len(run.times)
    for stage in (*STAGES, FIRST, LAST):
        since = [one[stage] for one in run.times]
        took = [end - start for end, start in zip(since, before, strict=True)]
        figures = [*np.quantile(took, [0.5, 0.95]), *np.quantile(since, [0.5, 0.95, 1.0])]
        table.add_row(stage, *(f"{figure * 1e3:.0f}" for figure in figures))
        before = since
    Console(width=100).print(table)
    for when, share in run.idle.items():
        print(f"idle, {when}: {share * 100:.2f} % of a core over {run.plan.idle_s:.0f} s")


def judged(run: Run) -> dict[str, object]:
    """Compare with the goals."""
    last = [one[LAST] for one in run.times]
    p50, p95 = (float(value) for value in np.quantile(last, [0.5, 0.95]))
    idle = max(run.idle.values())
    return {
        "n": len(last),
        "waiting": run.plan.waiting,
        "last_p50_s": {"reached": round(p50, 3), "most": P50_S, "met": p50 <= P50_S},
        "last_p95_s": {"reached": round(p95, 3), "most": P95_S, "met": p95 <= P95_S},
        "idle_share": {"reached": round(idle, 4), "most": IDLE_SHARE, "met": idle <= IDLE_SHARE},
        "first_study_s": round(last[0], 3),
    }


if __name__ == "__main__":
    main()
