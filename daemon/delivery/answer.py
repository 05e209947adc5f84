"""What a destination's answer means for a delivery: kept, refused, or later again."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from daemon.dicom.status import Status, is_done, is_out_of_resources
from daemon.records import ResultFile

_PASSING = (Status.PROCESSING_FAILURE, Status.RESOURCE_LIMITATION, Status.CANCEL)


class Verdict(StrEnum):
    """What an answer means for a delivery."""

    KEPT = "kept"
    """The destination has the object."""
    REFUSED = "refused"
    """It will never take this object as it is: a person must look."""
    LATER = "later"
    """It may take it another time."""


@dataclass(frozen=True)
class Answer:
    """What became of one object; `status` is None when there was no answer to it."""

    verdict: Verdict
    status: int | None
    detail: str

    @property
    def is_silence(self) -> bool:
        """Whether the destination said nothing at all."""
        return self.verdict is Verdict.LATER and self.status is None


class Sender(Protocol):
    """Brings results to one destination."""

    def send(self, results: Sequence[ResultFile], outbox: Path) -> Generator[Answer]:
        """Give one answer for each result, in their order, as it comes; fewer when cut off."""
        ...


def judge(status: int) -> Verdict:
    """Say what a C-STORE status means (PS3.4 table B.2-1, PS3.7 annex C).

    Processing Failure (0110) and Resource Limitation (0213) name no fault of the object, and some
    archives answer them when their database is away: they may pass. Warnings mean that the object
    was stored. Duplicate SOP Instance (0111) is refused here; a sender first asks whether the
    object is there (`daemon.delivery.presence`).
    """
    if is_done(status):
        return Verdict.KEPT
    if status in _PASSING or is_out_of_resources(status):
        return Verdict.LATER
    return Verdict.REFUSED
