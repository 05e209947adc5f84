"""A result object on its way from the reading to the outbox."""

from dataclasses import dataclass
from enum import StrEnum

from pydicom import Dataset


class ResultKind(StrEnum):
    """What a result object shows; each kind is a series of its own, in this order."""

    REPORT = "report"
    """Comprehensive 3D SR with every finding, score and region."""
    SUMMARY = "summary"
    """One picture of the whole study: outcome, views, table of findings."""
    ANNOTATED = "annotated"
    """A copy of one analysed image with its findings outlined."""
    HEAT_MAP = "heat map"
    """A copy of one image with the evidence for one finding laid over it."""
    PRESENTATION = "presentation state"
    """The outlines of one image as graphics that can be switched off."""
    WITHDRAWAL = "withdrawal"
    """A rejection note: these results shall not be used any more."""


@dataclass(frozen=True, eq=False)
class ResultObject:
    """A complete data set with file meta information, ready to be validated and written.

    `destinations` names those that get it; empty: all of them.
    """

    kind: str
    dataset: Dataset
    destinations: tuple[str, ...] = ()
