"""The data sets of storage commitment: requests and reports (PS3.4 J.3.2.1, J.3.3.1)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum

from pydicom import Dataset
from pydicom.uid import UID

from daemon.dicom.attributes import Attributes
from daemon.dicom.source import source_of
from daemon.dicom.status import Status
from daemon.dicom.values import is_uid
from daemon.errors import Rejected

PUSH_MODEL = UID("1.2.840.10008.1.20.1")
PUSH_MODEL_INSTANCE = UID("1.2.840.10008.1.20.1.1")
REQUEST = 1
"""Action Type ID of a request."""
MAX_ITEMS = 10_000
"""A request about more objects is refused."""
_MOST_BYTES = 1 << 24
"""Of a deflated data set: several times what so many objects need."""
_READ = ("TransactionUID", "ReferencedSOPSequence", "FailedSOPSequence")


class EventType(IntEnum):
    """Event Type ID of a report."""

    ALL_KEPT = 1
    SOME_NOT_KEPT = 2


@dataclass(frozen=True)
class CommitmentRequest:
    """Which objects somebody is to take responsibility for: SOP Instance UID to class UID."""

    transaction_uid: str
    items: Mapping[str, str]


@dataclass(frozen=True)
class CommitmentReport:
    """Which objects of a request are kept, and which not, with the Failure Reason."""

    transaction_uid: str
    kept: frozenset[str]
    not_kept: Mapping[str, int]


def request_data(request: CommitmentRequest) -> Dataset:
    """Return the Action Information of a request."""
    dataset = Dataset()
    dataset.TransactionUID = request.transaction_uid
    dataset.ReferencedSOPSequence = [_item(*pair) for pair in request.items.items()]
    return dataset


def report_data(request: CommitmentRequest, kept: Collection[str]) -> tuple[EventType, Dataset]:
    """Return the event type and the Event Information that answer a request."""
    dataset = Dataset()
    dataset.TransactionUID = request.transaction_uid
    there = [_item(*pair) for pair in request.items.items() if pair[0] in kept]
    missing = [_item(*pair) for pair in request.items.items() if pair[0] not in kept]
    for item in missing:
        item.FailureReason = Status.NO_SUCH_SOP_INSTANCE
    if there:
        dataset.ReferencedSOPSequence = there
    if missing:
        dataset.FailedSOPSequence = missing
    return (EventType.SOME_NOT_KEPT if missing else EventType.ALL_KEPT), dataset


def read_request(data: bytes, transfer_syntax: UID) -> CommitmentRequest:
    """Read Action Information as it came.

    Raises
    ------
    Rejected
        It cannot be read whole, or names no transaction or no object, or too many.
    """
    said = _attributes(data, transfer_syntax)
    items = {
        item.text("ReferencedSOPInstanceUID"): item.text("ReferencedSOPClassUID")
        for item in said.items("ReferencedSOPSequence")
    }
    transaction = said.text("TransactionUID")
    _refuse_damage(said)
    uids = (*items, *items.values(), transaction)
    if not items or len(items) > MAX_ITEMS or not all(map(is_uid, uids)):
        raise Rejected("no valid transaction, or not between 1 and 10000 objects")
    return CommitmentRequest(transaction, items)


def read_report(data: bytes, transfer_syntax: UID) -> CommitmentReport:
    """Read Event Information as it came.

    Raises
    ------
    Rejected
        It cannot be read whole.
    """
    said = _attributes(data, transfer_syntax)
    report = CommitmentReport(
        transaction_uid=said.text("TransactionUID"),
        kept=frozenset(
            item.text("ReferencedSOPInstanceUID") for item in said.items("ReferencedSOPSequence")
        ),
        not_kept={
            item.text("ReferencedSOPInstanceUID"): item.integer("FailureReason")
            or Status.PROCESSING_FAILURE
            for item in said.items("FailedSOPSequence")
        },
    )
    _refuse_damage(said)
    return report


def _attributes(data: bytes, transfer_syntax: UID) -> Attributes:
    source = source_of(data, transfer_syntax, _MOST_BYTES, _MOST_BYTES)
    return Attributes.of(source, transfer_syntax, _READ)


def _refuse_damage(said: Attributes) -> None:
    """Refuse what was read in part: a promise is about all that was asked for, or not made."""
    if said.unreadable:
        raise Rejected("its data set cannot be read")


def _item(sop_instance_uid: str, sop_class_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
