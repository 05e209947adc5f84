"""Senders that keep a daemon busy and remember what they were promised.

A study is sent again until every object of it was answered with Success, as routers do.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom import FileDataset

from tests.fakes import Modality
from tests.objects import Exam, Patient, save, study_of
from tests.tools import PeerError, run_tool, storescu

Send = Callable[[int, Sequence[Path], Sequence[FileDataset]], bool]
"""Send the files of a study to a port; True when every one was answered with Success."""


MOST_REFUSALS = 100
"""At the end, after so many in a row a study counts as one that cannot be sent."""


@dataclass
class Traffic:
    """Studies on their way, from several senders at once."""

    port: int
    folder: Path
    senders: Sequence[Send]
    seed: int
    promised: dict[str, set[str]] = field(default_factory=dict)
    """SOP Instance UIDs that were answered with Success, by Study Instance UID."""
    sent: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._again: deque[tuple[Exam, list[Path], list[FileDataset]]] = deque()
        self._lock = threading.Lock()
        self._number = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self, is_busy: Callable[[], bool]) -> None:
        """Send until `drain`; rest while `is_busy`."""
        for sender in self.senders:
            thread = threading.Thread(target=self._work, args=(sender, is_busy), daemon=True)
            thread.start()
            self._threads.append(thread)

    def drain(self, within_s: float = 180.0) -> int:
        """Begin no new study, send the begun ones to their end; returns how many failed."""
        self._stop.set()
        for thread in self._threads:
            thread.join(within_s)
        with self._lock:
            return len(self._again) + sum(thread.is_alive() for thread in self._threads)

    def _work(self, sender: Send, is_busy: Callable[[], bool]) -> None:
        pause = threading.Event()
        failures = 0
        while True:
            with self._lock:
                study = self._again.popleft() if self._again else None
            if study is None:
                if self._stop.is_set():
                    return
                if is_busy():
                    pause.wait(0.02)
                    continue
                study = self._make()
            if self._try(sender, study):
                failures = 0
                continue
            # Counted from the end of the traffic on: until then the node is down on purpose.
            failures = failures + 1 if self._stop.is_set() else 0
            if failures > MOST_REFUSALS:
                return
            pause.wait(0.05)

    def _try(self, sender: Send, study: tuple[Exam, list[Path], list[FileDataset]]) -> bool:
        exam, files, objects = study
        try:
            accepted = sender(self.port, files, objects)
        except (PeerError, ConnectionError, OSError):
            accepted = False
        with self._lock:
            self.sent += 1
            if not accepted:
                self._again.append(study)
                return False
            self.promised[exam.study_uid] = {str(one.SOPInstanceUID) for one in objects}
        for file in files:
            file.unlink()
        return True

    def _make(self) -> tuple[Exam, list[Path], list[FileDataset]]:
        with self._lock:
            self._number += 1
            number = self._number
            views = ["PA", "LAT"][: self._random.choice((1, 1, 2))]
        exam = Exam(Patient(f"CHAOS^{number}", f"CHAOS-{number}"), study=f"{self.seed}/{number}")
        picture = np.random.default_rng(number).integers(500, 4000, (64, 48)).astype(np.uint16)
        objects = study_of([(view, picture) for view in views], exam)
        files = [
            save(one, self.folder / f"{number:06}-{index}.dcm") for index, one in enumerate(objects)
        ]
        return exam, files, objects


def with_pynetdicom(port: int, _files: Sequence[Path], objects: Sequence[FileDataset]) -> bool:
    answers = Modality(port).send(*objects)
    return all(answer.get("Status") == 0x0000 for answer in answers)


def with_storescu(port: int, files: Sequence[Path], _objects: Sequence[FileDataset]) -> bool:
    return storescu(port, "WRISTD", *files)[0] == 0


def with_dcmsend(port: int, files: Sequence[Path], _objects: Sequence[FileDataset]) -> bool:
    """Its exit code tells nothing: the report does."""
    report = files[0].with_suffix(".txt")
    arguments = ["-aec", "WRISTD", "+crf", report, "127.0.0.1", str(port)]
    run_tool("dcmsend", *arguments, *files)
    text = report.read_text() if report.exists() else ""
    report.unlink(missing_ok=True)
    return text.count("0x0000 (Success)") == len(files)
