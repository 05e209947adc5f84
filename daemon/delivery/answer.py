"""What a destination's answer means for a delivery: kept, refused, or later again."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from daemon.records import ResultFile

_STORED = (0x0000, 0x0001, 0x0107, 0x0116)
_WARNINGS = range(0xB000, 0xC000)
_PASSING = (0x0110, 0x0213, 0xFE00)
_OUT_OF_RESOURCES = range(0xA700, 0xA800)


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
    was stored.
    """
    if status in _STORED or status in _WARNINGS:
        return Verdict.KEPT
    if status in _PASSING or status in _OUT_OF_RESOURCES:
        return Verdict.LATER
    return Verdict.REFUSED
