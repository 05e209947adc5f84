"""Which studies are wanted of an archive."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from daemon.calling.find import Record
from daemon.identity import is_own_uid
from daemon.intake.store.admit import ANALYSED_SOP_CLASSES

OF_A_SERIES = ("SeriesInstanceUID", "Modality", "BodyPartExamined")
"""What is asked of a series."""


@dataclass(frozen=True)
class Criteria:
    """Days (both included), modalities and body parts, as DICOM writes them."""

    first: date
    last: date
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]

    def changed(
        self,
        first: date | None,
        last: date | None,
        modalities: Sequence[str] | None,
        body_parts: Sequence[str] | None,
    ) -> "Criteria":
        """Return what is wanted when something else is asked for; None changes nothing."""
        return Criteria(
            first=date(first.year, first.month, first.day) if first else self.first,
            last=date(last.year, last.month, last.day) if last else self.last,
            modalities=tuple(map(str.upper, modalities or self.modalities)),
            body_parts=tuple(map(str.upper, body_parts or self.body_parts)),
        )

    @property
    def study_date(self) -> str:
        """The range as a matching value (PS3.4 C.2.2.2.5)."""
        return f"{self.first:%Y%m%d}-{self.last:%Y%m%d}"

    def wants(self, series: Record) -> bool:
        """Return whether a series is wanted; one without a body part is not excluded for that."""
        body_part, modality = series["BodyPartExamined"].upper(), series["Modality"].upper()
        return modality in self.modalities and (not body_part or body_part in self.body_parts)


@dataclass(frozen=True)
class Part:
    """What is retrieved at once: an image, or the whole series where none is named."""

    series_uid: str
    image_uid: str = ""


@dataclass(frozen=True)
class Series:
    """A series in an archive.

    Attributes
    ----------
    series_uid : str
    sop_classes : mapping
        SOP Class UID by SOP Instance UID of its objects; an empty class is one that the archive
        does not name, no object at all means that it does not name its objects.
    """

    series_uid: str
    sop_classes: Mapping[str, str]

    @property
    def images(self) -> set[str]:
        """The SOP Instance UIDs of what is analysed, for all we know."""
        return {
            instance_uid
            for instance_uid, sop_class in self.sop_classes.items()
            if (not sop_class or sop_class in ANALYSED_SOP_CLASSES) and not is_own_uid(instance_uid)
        }

    def missing(self, held: Collection[str]) -> list[Part]:
        """Return what is to be retrieved when these images are here.

        Images beside other objects are asked for one by one: objects that nobody wants cost time,
        and some archives break off at the first whose class they may not send.
        """
        missing = self.images.difference(held)
        if not self.sop_classes or missing == set(self.sop_classes):
            return [Part(self.series_uid)]
        return [Part(self.series_uid, one) for one in sorted(missing)]


class Archive(Protocol):
    """Where studies are fetched from."""

    def find(self, criteria: Criteria) -> Iterator[str]:
        """Give the Study Instance UIDs that are wanted; empty for an answer that names none.

        Raises
        ------
        Unavailable
            The archive does not answer.
        """
        ...

    def series(self, study_uid: str, criteria: Criteria) -> list[Series]:
        """Return the series of a study that are wanted; all of them where none is.

        Raises
        ------
        Unavailable
            The archive does not answer.
        """
        ...

    def retrieve(self, study_uid: str, parts: Collection[Part]) -> None:
        """Have parts of a study brought to us; they are in the ledger when this returns.

        Raises
        ------
        Unavailable
            Not all of it came.
        """
        ...


def chosen(found: Collection[Record], criteria: Criteria) -> list[str]:
    """Return the Series Instance UIDs that are wanted.

    All of them where none is: the study was noted by other criteria.
    """
    wanted = [one for one in found if criteria.wants(one)] or found
    return [one["SeriesInstanceUID"] for one in wanted if one["SeriesInstanceUID"]]
