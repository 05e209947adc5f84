"""The whole daemon in this process: its clock can be set, and its decoders held in mid-work."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from daemon import service
from daemon.clock import utc_now
from daemon.ledger.overview import StudyState, study_states
from daemon.settings import load
from tests.support.fakes import Archive, Modality
from tests.support.node import fast_settings, model_block, settings_text
from tests.support.objects import Exam, Patient, dx
from tests.support.processes import decoders
from tests.support.tools import wait_until

QUIET_S = 1.0
FIRST_DELAY_S = 2.0
RECOVERS_WITHIN_S = 20.0
"""On a machine that has other things to do; without, a few seconds."""


@dataclass
class Wall:
    """A wall clock that somebody sets."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead

    def set_by(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@dataclass
class Mood:
    """What the archive answers next; remembers when it was asked."""

    next: int = 0
    asked: list[float] = field(default_factory=list)

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.asked.append(monotonic())
        answer, self.next = self.next, 0
        return answer


@dataclass
class Plant:
    """A running daemon, a sender, and an archive."""

    site: service.Service
    modality: Modality
    archive: Archive
    mood: Mood
    wall: Wall

    def send(self, name: str) -> str:
        """Send a study of one image; returns its UID."""
        exam = Exam(Patient(), study=name)
        picture = np.random.default_rng(1).integers(0, 4000, (96, 80)).astype(np.uint16)
        [answer] = self.modality.send(dx(picture, exam=exam))
        assert answer.get("Status") == 0, f"{name} was not taken"
        return exam.study_uid

    def state(self, study_uid: str) -> StudyState:
        """Return what the ledger says of a study."""
        states = study_states(self.site.ledger, 100)
        return next(one for one in states if one.study_uid == study_uid)

    def wait_for(self, study_uid: str, state: str, within_s: float = RECOVERS_WITHIN_S) -> None:
        wait_until(lambda: self.state(study_uid).state == state, f"a study {state}", within_s)

    def wait_for_results(self, study_uid: str, within_s: float = RECOVERS_WITHIN_S) -> None:
        """Wait until a study is read and its results are delivered."""

        def is_there() -> bool:
            deliveries = self.state(study_uid).deliveries
            return bool(deliveries) and set(deliveries) == {"delivered"}

        wait_until(is_there, "the results of a study", within_s)

    @contextmanager
    def decoders_held(self) -> Iterator[None]:
        """Let whoever decodes stop in the middle until the block ends."""
        children = decoders(os.getpid())
        assert children, "nothing was decoded yet"
        for child in children:
            os.kill(child, signal.SIGSTOP)
        try:
            yield
        finally:
            for child in children:
                os.kill(child, signal.SIGCONT)


@contextmanager
def plant(
    folder: Path, package: Path, sections: dict[str, dict[str, Any]] | None = None
) -> Iterator[Plant]:
    """Run a daemon in this process; it has read one study already."""
    mood, wall = Mood(), Wall()
    ours: dict[str, dict[str, Any]] = {
        "receiver": {"min_free_bytes": 0, "warn_free_bytes": 0},
        "assembly": {"quiet_period_s": QUIET_S, "sweep_interval_s": 0.1},
        "reading": {"provider": "cpu", "threads": 1, "decoders": 1},
        "report": {"heat_map": False},
        "delivery": {"interval_s": 0.1, "first_delay_s": FIRST_DELAY_S, "timeout_s": 5.0},
    }
    with Archive(deeds=mood, ae_title="PACS") as archive:
        file = folder / "settings.toml"
        merged = {name: values | (sections or {}).get(name, {}) for name, values in ours.items()}
        merged["models"] = [model_block(package)]
        merged |= {name: one for name, one in (sections or {}).items() if name not in ours}
        file.write_text(settings_text(fast_settings(merged), [archive]))
        site = service.build(load(file), file, wall)
        with site.running() as port:
            running = Plant(site, Modality(port), archive, mood, wall)
            running.wait_for_results(running.send("first"), 60.0)
            yield running
