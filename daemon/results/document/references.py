"""References to objects by study and series, as documents list them (PS3.3 C.17.2.1)."""

from collections import defaultdict
from collections.abc import Sequence

from pydicom import Dataset

from daemon.dicom.header import Header
from daemon.identity import derived_uid
from daemon.results.document.inheritance import put


def image_item(header: Header) -> Dataset:
    """Return an item that refers to an image by class and instance (PS3.3 10.8)."""
    return _instance(header.sop_class_uid, header.sop_instance_uid)


def series_of(header: Header) -> str:
    """Return the UID of an image's series.

    Every reference needs one (type 1). For an image that does not tell it that is one of ours,
    under which nothing will be found; the image itself is named by its own UID.
    """
    return header.series_uid or derived_uid("unknown series", header.sop_instance_uid)


def evidence(study_uid: str, headers: Sequence[Header]) -> list[Dataset]:
    """Return the images as a Hierarchical SOP Instance Reference."""
    images = [(series_of(one), one.sop_class_uid, one.sop_instance_uid) for one in headers]
    return hierarchy(study_uid, images)


def hierarchy(study_uid: str, references: Sequence[tuple[str, str, str]]) -> list[Dataset]:
    """Return a Hierarchical SOP Instance Reference (C.17.2.1) of (series, class, instance) UIDs."""
    by_series: dict[str, list[Dataset]] = defaultdict(list)
    for series_uid, sop_class_uid, sop_instance_uid in references:
        by_series[series_uid].append(_instance(sop_class_uid, sop_instance_uid))
    study = Dataset()
    put(study, "StudyInstanceUID", study_uid)
    study.ReferencedSeriesSequence = []
    for series_uid, items in by_series.items():
        series = Dataset()
        put(series, "SeriesInstanceUID", series_uid)
        series.ReferencedSOPSequence = items
        study.ReferencedSeriesSequence.append(series)
    return [study]


def _instance(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    put(item, "ReferencedSOPClassUID", sop_class_uid)
    put(item, "ReferencedSOPInstanceUID", sop_instance_uid)
    return item
