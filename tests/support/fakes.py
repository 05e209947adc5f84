"""Stand-ins at the edges: a clock that stands still, a modality that sends, an archive that keeps.

Modality and archive speak DICOM over real sockets and can misbehave.
"""

import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydicom import Dataset, FileDataset
from pynetdicom import (
    AE,
    ALL_TRANSFER_SYNTAXES,
    AllStoragePresentationContexts,
    build_context,
    evt,
)
from pynetdicom import _config as pynetdicom_config
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext

from daemon.intake.store.admit import Offer
from daemon.intake.store.part10 import file_start
from daemon.settings import DimseDestination
from tests.support.objects import save

Deed = int | Literal["abort after storing", "hang up", "hang"]
"""A status to answer, or one of the ways not to answer."""
HANG_S = 3.0


@dataclass
class FrozenClock:
    """A chronometer that stands still until it is moved; its wall clock can be set besides."""

    now: datetime = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    passed: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.now

    def __call__(self) -> datetime:
        return self.now

    def steady(self) -> datetime:
        return self._began + timedelta(seconds=self.passed)

    def seconds(self) -> float:
        return self.passed

    def advance(self, seconds: float) -> datetime:
        """Let time pass; return the new time."""
        self.passed += seconds
        return self.set_by(seconds)

    def set_by(self, seconds: float) -> datetime:
        """Set the wall clock, as somebody might at any moment; return what it says."""
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass
class Archive:
    """A storage SCP that keeps what it is sent; use it as a context manager.

    `deeds` are used up one by one, an object each; when none is left, objects are kept and
    answered with Success.
    """

    deeds: Iterable[Deed] = ()
    sop_classes: Iterable[str] | None = None
    """None takes every storage class."""
    callers: tuple[str, ...] = ()
    """Calling AE titles that may connect; empty lets everybody in."""
    ae_title: str = "ARCHIVE"
    port: int = 0
    max_associations: int = 10
    syntaxes: Sequence[str] = tuple(ALL_TRANSFER_SYNTAXES)
    answers: Mapping[str, object] | None = None
    """What its answers say otherwise than they should, by keyword of the command set."""
    max_pdu: int = 16382
    kept: dict[str, list[Dataset]] = field(default_factory=dict)
    """Objects by SOP Instance UID, each time they came."""
    associations: int = 0

    def __post_init__(self) -> None:
        self._deeds = iter(self.deeds)
        self._lock = threading.Lock()
        self._leaving = threading.Event()
        self._ae = AE(self.ae_title)
        self._ae.require_calling_aet = list(self.callers)
        self._ae.maximum_associations = self.max_associations
        self._ae.maximum_pdu_size = self.max_pdu
        self._server: Any = None

    def __enter__(self) -> Self:
        taken = self.sop_classes
        if taken is None:
            taken = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
        self._server = self._ae.start_server(
            ("127.0.0.1", self.port),
            block=False,
            contexts=[build_context(sop_class, list(self.syntaxes)) for sop_class in taken],
            evt_handlers=[
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_ACCEPTED, self._count),
                (evt.EVT_DIMSE_SENT, self._distort),
            ],
        )
        self.port = self._server.server_address[1]
        return self

    def __exit__(self, *_exception: object) -> None:
        self._leaving.set()
        self._ae.shutdown()

    def destination(self, name: str = "archive") -> DimseDestination:
        """Return the settings by which a daemon sends to this archive."""
        return DimseDestination(name=name, ae_title=self.ae_title, host="127.0.0.1", port=self.port)

    def _count(self, _event: Event) -> None:
        self.associations += 1

    def _distort(self, event: Event) -> None:
        for keyword, value in (self.answers or {}).items():
            setattr(event.message.command_set, keyword, value)

    def _store(self, event: Event) -> int:
        with self._lock:
            deed = next(self._deeds, 0x0000)
        if deed == "hang":
            self._leaving.wait(HANG_S)
        if deed in ("hang up", "hang"):
            event.assoc.abort()
            return 0x0000
        if deed == "abort after storing" or deed == 0x0000 or 0xB000 <= deed < 0xC000:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            with self._lock:
                self.kept.setdefault(str(dataset.SOPInstanceUID), []).append(dataset)
        if deed == "abort after storing":
            event.assoc.abort()
            return 0x0000
        return deed


@dataclass(frozen=True)
class Modality:
    """A storage SCU. What an object's file meta information says goes into the command."""

    port: int
    called: str = "WRISTD"
    calling: str = "MODALITY"

    def send(self, *objects: FileDataset | Offer) -> list[Dataset]:
        """Send objects over one association; return what was answered, empty where nothing was.

        Raises
        ------
        ConnectionError
            There was no association.
        """
        pynetdicom_config.STORE_SEND_CHUNKED_DATASET = True  # bytes and command as in the file
        with tempfile.TemporaryDirectory() as folder:
            files = [
                _write(one, Path(folder) / f"{number}.dcm") for number, one in enumerate(objects)
            ]
            association = self.associate(
                [build_context(*_class_and_syntax(one)) for one in objects]
            )
            answers = [
                association.send_c_store(file) if association.is_established else Dataset()
                for file in files
            ]
            if association.is_established:
                association.release()
            return answers

    def associate(self, contexts: Sequence[PresentationContext]) -> Association:
        """Open an association; ConnectionError tells why there is none."""
        association = AE(self.calling).associate(
            "127.0.0.1", self.port, contexts=list(contexts), ae_title=self.called
        )
        if not association.is_established:
            reply = association.acceptor.primitive
            raise ConnectionError(reply.reason_str if association.is_rejected else "no association")
        return association


def _class_and_syntax(one: FileDataset | Offer) -> tuple[str, str]:
    if isinstance(one, Offer):
        return one.sop_class_uid, str(one.transfer_syntax)
    return str(one.file_meta.MediaStorageSOPClassUID), str(one.file_meta.TransferSyntaxUID)


def _write(one: FileDataset | Offer, file: Path) -> Path:
    if isinstance(one, FileDataset):
        return save(one, file)
    file.write_bytes(file_start(one) + bytes(one.data_set))
    return file


def to_wrist(_header: object, _origin: object) -> tuple[str, ...]:
    """Route every image to the one model, as the shipped settings do."""
    return ("wrist",)
