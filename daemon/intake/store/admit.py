"""Decide what becomes of an object that a peer offers: analysed, ignored, or refused."""

import hashlib
import re
from dataclasses import dataclass
from enum import Enum

from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)

from daemon.dicom.elements import elements
from daemon.dicom.source import Oversized, Unreadable, source_of
from daemon.dicom.status import Status
from daemon.errors import Rejected
from daemon.identity import MANUFACTURER, PRODUCT, is_own_uid
from daemon.signals import Signal

ANALYSED_SOP_CLASSES: frozenset[UID] = frozenset(
    {
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
    }
)
"""Every other storage class is taken with Success and ignored: routers give up whole studies when
a single object of them is refused."""

_UID = re.compile(rb"[0-9]+(\.[0-9]+)+")
"""Components that begin with a zero break PS3.5 9.1, but archives take them, and so do we."""
_UID_LENGTH = 64


class Ignored(Enum):
    """Why an object is taken with Success and not kept; values say how that is counted."""

    SOP_CLASS = Signal.IGNORED_SOP_CLASS
    SELF_OUTPUT = Signal.SELF_OUTPUT


class Refusal(Enum):
    """Why an object is not taken; values say how that is counted."""

    LOW_DISK = Signal.REFUSED_LOW_DISK
    TOO_LARGE = Signal.REFUSED_TOO_LARGE
    WRITE_FAILED = Signal.REFUSED_WRITE_FAILED
    LEDGER = Signal.REFUSED_LEDGER
    STOPPING = Signal.REFUSED_STOPPING
    MISMATCH = Signal.REFUSED_MISMATCH
    CANNOT_UNDERSTAND = Signal.REFUSED_CANNOT_UNDERSTAND


_STATUS = {
    Refusal.MISMATCH: Status.DATA_SET_MISMATCH,
    Refusal.CANNOT_UNDERSTAND: Status.CANNOT_UNDERSTAND,
}


class Refused(Rejected):
    """The object is refused; `args[0]` is the Error Comment: at most 64 characters, no PHI."""

    def __init__(self, refusal: Refusal, comment: str) -> None:
        super().__init__(comment)
        self.refusal = refusal

    @property
    def status(self) -> Status:
        """What the sender is told; all but two causes may pass: out of resources."""
        return _STATUS.get(self.refusal, Status.OUT_OF_RESOURCES)


@dataclass(frozen=True)
class Announced:
    """What is known of an object before its data set: from command and presentation context."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: UID


@dataclass(frozen=True)
class Offer(Announced):
    """What a C-STORE request brings, data set included."""

    data_set: bytes | memoryview


@dataclass(frozen=True)
class Named:
    """What names an object and its makers; bytes as they came, without padding, empty if absent."""

    sop_class_uid: bytes = b""
    sop_instance_uid: bytes = b""
    study_uid: bytes = b""
    series_uid: bytes = b""
    patient_id: bytes = b""
    issuer: bytes = b""
    manufacturer: bytes = b""
    model_name: bytes = b""


_NAMES = {
    0x00080016: "sop_class_uid",
    0x00080018: "sop_instance_uid",
    0x00080070: "manufacturer",
    0x00081090: "model_name",
    0x00100020: "patient_id",
    0x00100021: "issuer",
    0x0020000D: "study_uid",
    0x0020000E: "series_uid",
}
_FOREIGN_GROUPS = (0x0000, 0x0002)
"""Command set and file meta information have no place in a data set (PS3.5 7.1)."""


@dataclass(frozen=True)
class Admitted:
    """An object to be analysed; valid UIDs, and a key that tells patients apart."""

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    transfer_syntax_uid: str
    patient_key: str


def glance(announced: Announced) -> Ignored | None:
    """Tell whether the data set need not even be looked at, and why; None if it must be."""
    if is_own_uid(announced.sop_instance_uid):
        return Ignored.SELF_OUTPUT
    if announced.sop_class_uid not in ANALYSED_SOP_CLASSES:
        return Ignored.SOP_CLASS
    return None


def admit(offer: Offer, max_bytes: int) -> Admitted | Ignored:
    """Judge an object that a peer offers; nothing but its bytes is looked at.

    Parameters
    ----------
    offer : Offer
    max_bytes : int
        Largest data set that is taken, bytes, after inflating.

    Returns
    -------
    Admitted or Ignored
        What to keep, or why it is answered with Success and not kept.

    Raises
    ------
    Refused
        It is too large, incomplete, unnamed, or not what its command says.
    """
    ignored = glance(offer)
    if ignored is not None:
        return ignored
    if len(offer.data_set) > max_bytes:
        raise Refused(Refusal.TOO_LARGE, "object is larger than this node takes")
    header = _read(offer, max_bytes)
    sop_class_uid = _valid(header.sop_class_uid, "SOP Class UID")
    sop_instance_uid = _valid(header.sop_instance_uid, "SOP Instance UID")
    if (sop_class_uid, sop_instance_uid) != (offer.sop_class_uid, offer.sop_instance_uid):
        raise Refused(Refusal.MISMATCH, "SOP class or instance differs from the command")
    study_uid = _valid(header.study_uid, "Study Instance UID")
    series_uid = _valid(header.series_uid, "Series Instance UID")
    if _is_our_work(header) or is_own_uid(series_uid):
        return Ignored.SELF_OUTPUT
    return Admitted(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        study_uid=study_uid,
        transfer_syntax_uid=str(offer.transfer_syntax),
        patient_key=hashlib.sha256(header.patient_id + b"\x1f" + header.issuer).hexdigest(),
    )


def read_names(data_set: bytes | memoryview, transfer_syntax: UID, max_bytes: int) -> Named:
    """Walk one complete data set, without file meta information, to its end.

    Raises
    ------
    Unreadable
        Truncated, nested too deeply, or not in this transfer syntax.
    Oversized
        Deflated, and larger than `max_bytes`.
    """
    source = source_of(data_set, transfer_syntax, max_bytes)
    order = "<" if transfer_syntax.is_little_endian else ">"
    values: dict[str, bytes] = {}
    for element in elements(source, order, transfer_syntax.is_implicit_VR, _NAMES):
        if element.tag >> 16 in _FOREIGN_GROUPS:
            raise Unreadable("data set holds a command set or file meta information")
        if element.tag in _NAMES:
            value = bytes(source.value(element.start, element.length))
            values[_NAMES[element.tag]] = value.strip(b" \0")
    return Named(**values)


def _read(offer: Offer, max_bytes: int) -> Named:
    try:
        return read_names(offer.data_set, offer.transfer_syntax, max_bytes)
    except Oversized as error:
        raise Refused(Refusal.TOO_LARGE, str(error)) from error
    except Unreadable as error:
        raise Refused(Refusal.CANNOT_UNDERSTAND, str(error)) from error


def _valid(value: bytes, attribute: str) -> str:
    """Return a UID to the letter, of digits and dots only, of at most 64 characters (PS3.5 9.1)."""
    if not value:
        raise Refused(Refusal.CANNOT_UNDERSTAND, f"{attribute} is missing")
    if len(value) > _UID_LENGTH or not _UID.fullmatch(value):
        raise Refused(Refusal.CANNOT_UNDERSTAND, f"{attribute} is not a valid UID")
    return value.decode("ascii")


def _is_our_work(header: Named) -> bool:
    """Recognise our own result even when a router gave it new UIDs or another SOP class."""
    maker = (header.manufacturer, header.model_name)
    return MANUFACTURER.encode() in maker or PRODUCT.encode() in maker
