"""References to objects by study and series, as documents list them (PS3.3 C.17.2.1)."""

from collections import defaultdict
from collections.abc import Sequence

from pydicom import Dataset


def hierarchy(study_uid: str, references: Sequence[tuple[str, str, str]]) -> list[Dataset]:
    """Return a Hierarchical SOP Instance Reference (C.17.2.1) of (series, class, instance) UIDs."""
    by_series: dict[str, list[Dataset]] = defaultdict(list)
    for series_uid, sop_class_uid, sop_instance_uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class_uid
        item.ReferencedSOPInstanceUID = sop_instance_uid
        by_series[series_uid].append(item)
    study = Dataset()
    study.StudyInstanceUID = study_uid
    study.ReferencedSeriesSequence = []
    for series_uid, items in by_series.items():
        series = Dataset()
        series.SeriesInstanceUID = series_uid
        series.ReferencedSOPSequence = items
        study.ReferencedSeriesSequence.append(series)
    return [study]
