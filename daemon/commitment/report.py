"""The data sets of storage commitment: requests and reports (PS3.4 J.3.2.1, J.3.3.1)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum

from pydicom import Dataset
from pydicom.uid import UID

from daemon.dicom.status import Status
from daemon.errors import Rejected

PUSH_MODEL = UID("1.2.840.10008.1.20.1")
PUSH_MODEL_INSTANCE = UID("1.2.840.10008.1.20.1.1")
REQUEST = 1
"""Action Type ID of a request."""
MAX_ITEMS = 10_000
"""A request about more objects is refused."""


class EventType(IntEnum):
    """Event Type ID of a report."""

    ALL_KEPT = 1
    SOME_NOT_KEPT = 2


@dataclass(frozen=True)
class Request:
    """Which objects somebody is to take responsibility for: SOP Instance UID to class UID."""

    transaction_uid: str
    items: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """Which objects of a request are kept, and which not, with the Failure Reason."""

    transaction_uid: str
    kept: frozenset[str]
    not_kept: Mapping[str, int]


def request_data(request: Request) -> Dataset:
    """Return the Action Information of a request."""
    dataset = Dataset()
    dataset.TransactionUID = request.transaction_uid
    dataset.ReferencedSOPSequence = [_item(*pair) for pair in request.items.items()]
    return dataset


def report_data(request: Request, kept: Collection[str]) -> tuple[EventType, Dataset]:
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


def read_request(dataset: Dataset) -> Request:
    """Read Action Information.

    Raises
    ------
    Rejected
        It names no transaction or no object, or too many.
    """
    items = {
        str(item.get("ReferencedSOPInstanceUID", "")): str(item.get("ReferencedSOPClassUID", ""))
        for item in dataset.get("ReferencedSOPSequence") or ()
    }
    uids = (*items, *items.values(), _transaction(dataset))
    if not items or len(items) > MAX_ITEMS or not all(UID(uid).is_valid for uid in uids):
        raise Rejected("no valid transaction, or not between 1 and 10000 objects")
    return Request(_transaction(dataset), items)


def read_report(dataset: Dataset) -> Report:
    """Read Event Information."""
    return Report(
        transaction_uid=_transaction(dataset),
        kept=frozenset(
            str(item.get("ReferencedSOPInstanceUID", ""))
            for item in dataset.get("ReferencedSOPSequence") or ()
        ),
        not_kept={
            str(item.get("ReferencedSOPInstanceUID", "")): int(
                item.get("FailureReason", Status.PROCESSING_FAILURE)
            )
            for item in dataset.get("FailedSOPSequence") or ()
        },
    )


def _transaction(dataset: Dataset) -> str:
    return str(dataset.get("TransactionUID") or "")


def _item(sop_instance_uid: str, sop_class_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
