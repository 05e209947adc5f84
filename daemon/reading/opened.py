"""A study on its way to the network: which of its images are ready, and why the others are not."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from daemon.dicom.header import Header
from daemon.reading.analysis.prediction import Prepared
from daemon.records import Category, ImageReading, Instance, Job, Reason


@dataclass(frozen=True, eq=False)
class OpenStudy:
    """A job whose images are decoded: `ready` for the network, the others with their reason.

    `disagreements` names in what the headers of a study differ that a person has released.
    """

    job: Job
    images: list[ImageReading]
    ready: list[Prepared] = field(default_factory=list)
    disagreements: tuple[str, ...] = ()


def named(job: Job, instance: Instance) -> Header:
    """Return the header of an image of which only the ledger knows anything."""
    return Header(instance.sop_class_uid, instance.sop_instance_uid, job.study_uid)


def not_analysed(header: Header, reason: Reason) -> ImageReading:
    """Return the reading of an image that was not analysed, for one reason."""
    return ImageReading(header.sop_instance_uid, Category.NOT_ANALYSED, reason, header=header)


def presentation_first(headers: Sequence[Header]) -> list[int]:
    """Return the images' places, those for processing last: they count where no other does."""
    return sorted(range(len(headers)), key=lambda index: headers[index].for_processing)


def has_presentation(opened: OpenStudy, raw: Header) -> bool:
    """Tell whether the same view of the same side is ready to be read, made for presentation."""
    headers = (opened.images[prepared.index].header for prepared in opened.ready)
    return any(
        (one.view, one.side) == (raw.view, raw.side) and not one.for_processing
        for one in headers
        if one is not None
    )
