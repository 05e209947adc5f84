"""Which studies are wanted of an archive."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from pydicom import Dataset


@dataclass(frozen=True)
class Criteria:
    """Days (both included), modalities and body parts, as DICOM writes them."""

    first: date
    last: date
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]

    @property
    def study_date(self) -> str:
        """The range as a matching value (PS3.4 C.2.2.2.5)."""
        return f"{self.first:%Y%m%d}-{self.last:%Y%m%d}"

    def wants(self, series: Dataset) -> bool:
        """Judge a series by its header; a body part that is not named is not held against it."""
        body_part = str(series.get("BodyPartExamined") or "").strip().upper()
        modality = str(series.get("Modality") or "").strip().upper()
        return modality in self.modalities and (not body_part or body_part in self.body_parts)


class Archive(Protocol):
    """Where studies are fetched from."""

    def find(self, criteria: Criteria) -> Iterator[str]:
        """Give the Study Instance UIDs that are wanted.

        Raises
        ------
        Unavailable
            The archive does not answer.
        """
        ...

    def retrieve(self, study_uid: str) -> None:
        """Have a whole study brought to us; it is in the ledger when this returns.

        Raises
        ------
        Unavailable
            Not all of it came.
        """
        ...
