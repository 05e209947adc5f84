"""Senders that keep a daemon busy and remember what they were promised.

A study is sent again until every object of it was answered with Success, as routers do. Of every
eight one comes again under a corrected patient at once, another when it is reported, and one names
two patients: a person must release it.
"""

import copy
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom import FileDataset

from tests.support.fakes import Modality
from tests.support.objects import Exam, Patient, save, study_of
from tests.support.tools import PeerError, run_tool, storescu

Send = Callable[[int, Sequence[Path], Sequence[FileDataset]], bool]
"""Send the files of a study to a port; True when every one was answered with Success."""


MOST_REFUSALS = 100
"""At the end, after so many in a row a study counts as one that cannot be sent."""
CORRECTED, MIXED, CORRECTED_LATE, KINDS = 1, 3, 5, 8
"""Which of so many are corrected at once, name two patients, or are corrected once reported."""


@dataclass(frozen=True)
class Shipment:
    """The objects of one study, as they are sent until all are accepted."""

    study_uid: str
    patient_id: str
    files: Sequence[Path]
    objects: Sequence[FileDataset]
    kind: int = 0
    is_correction: bool = False


@dataclass
class Traffic:
    """Studies on their way, from several senders at once."""

    ports: Sequence[int]
    folder: Path
    senders: Sequence[Send]
    seed: int
    promised: dict[str, set[str]] = field(default_factory=dict)
    """SOP Instance UIDs that were answered with Success, by Study Instance UID."""
    patients: dict[str, str] = field(default_factory=dict)
    """The Patient ID of each study that was promised again, corrected."""
    mixed: set[str] = field(default_factory=set)
    """The promised studies that name two patients."""
    sent: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._again: deque[Shipment] = deque()
        self._late: list[Shipment] = []
        self._lock = threading.Lock()
        self._number = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self, is_busy: Callable[[], bool], is_reported: Callable[[str], bool]) -> None:
        """Send until `drain`; rest while `is_busy`. Studies are named by their UID."""
        self._is_reported = is_reported
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
            left = len(self._again) + len(self._late)
            return left + sum(thread.is_alive() for thread in self._threads)

    def _work(self, sender: Send, is_busy: Callable[[], bool]) -> None:
        pause = threading.Event()
        failures = 0
        while True:
            shipment = self._next()
            if shipment is None:
                if self._stop.is_set() and not self._late:
                    return
                if self._stop.is_set() or is_busy():
                    pause.wait(0.02)
                    continue
                shipment = self._make()
            if self._try(sender, shipment):
                failures = 0
                continue
            # Counted from the end of the traffic on: until then the node is down on purpose.
            failures = failures + 1 if self._stop.is_set() else 0
            if failures > MOST_REFUSALS:
                return
            pause.wait(0.05)

    def _next(self) -> Shipment | None:
        """Return what failed, or a correction whose time has come."""
        with self._lock:
            if self._again:
                return self._again.popleft()
            due = next((one for one in self._late if self._is_reported(one.study_uid)), None)
            if due is not None:
                self._late.remove(due)
            return due

    def _try(self, sender: Send, shipment: Shipment) -> bool:
        with self._lock:
            port = self._random.choice(self.ports)
        try:
            accepted = sender(port, shipment.files, shipment.objects)
        except (PeerError, ConnectionError, OSError):
            accepted = False
        with self._lock:
            self.sent += 1
            if not accepted:
                self._again.append(shipment)
                return False
            self._note(shipment)
        for file in shipment.files:
            file.unlink()
        return True

    def _note(self, shipment: Shipment) -> None:
        """Remember what was promised, and what comes of it later."""
        study = shipment.study_uid
        self.promised[study] = {str(one.SOPInstanceUID) for one in shipment.objects}
        if shipment.is_correction:
            self.patients[study] = shipment.patient_id
        elif shipment.kind == CORRECTED:
            self._again.append(self._correction(shipment))
        elif shipment.kind == CORRECTED_LATE:
            self._late.append(self._correction(shipment))
        elif shipment.kind == MIXED:
            self.mixed.add(study)

    def _make(self) -> Shipment:
        with self._lock:
            self._number += 1
            number = self._number
            views = ["PA", "LAT"][: self._random.choice((1, 1, 2))]
        kind = number % KINDS
        views = ["PA", "LAT"] if kind == MIXED else views
        patient = Patient(f"CHAOS^{number}", f"CHAOS-{number}")
        exam = Exam(patient, study=f"{self.seed}/{number}")
        picture = np.random.default_rng(number).integers(500, 4000, (64, 48)).astype(np.uint16)
        objects = study_of([(view, picture) for view in views], exam)
        if kind == MIXED:
            _name(objects[-1], f"OTHER-{number}")
        files = self._save(objects, f"{number:06}")
        return Shipment(exam.study_uid, patient.patient_id, files, objects, kind)

    def _correction(self, shipment: Shipment) -> Shipment:
        """Return the same instances under the patient whose they are."""
        patient_id = f"TRUE-{shipment.patient_id}"
        objects = [copy.deepcopy(one) for one in shipment.objects]
        for one in objects:
            _name(one, patient_id)
        files = self._save(objects, f"{shipment.files[0].stem}-corrected")
        return Shipment(
            shipment.study_uid, patient_id, files, objects, shipment.kind, is_correction=True
        )

    def _save(self, objects: Sequence[FileDataset], name: str) -> list[Path]:
        return [save(one, self.folder / f"{name}-{index}.dcm") for index, one in enumerate(objects)]


def _name(one: FileDataset, patient_id: str) -> None:
    one.PatientID, one.PatientName = patient_id, f"{patient_id}^CHAOS"


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
