"""What must add up when everything has settled: promises against what the archive holds."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import Comprehensive3DSRStorage


@dataclass(frozen=True)
class Account:
    """Every number but `promised` and `resent` must be zero."""

    promised: int
    resent: int
    lost: int
    duplicated: int
    altered: int
    half: int

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.altered or self.half)

    def __str__(self) -> str:
        return ", ".join(f"{name} {number}" for name, number in asdict(self).items())


def settle(
    promised: Mapping[str, set[str]], kept: Mapping[str, list[Dataset]], state: Path
) -> Account:
    """Compare.

    Parameters
    ----------
    promised : mapping
        SOP Instance UIDs that were answered with Success, by Study Instance UID.
    kept : mapping
        What the archive got, by SOP Instance UID, each time it came.
    state : Path
        The daemon's folder, at rest.
    """
    reports = [copies[0] for copies in kept.values() if is_report(copies[0])]
    read: dict[str, set[str]] = {}
    readings: Counter[tuple[str, frozenset[str]]] = Counter()
    for report in reports:
        study = str(report.StudyInstanceUID)
        images = evidence(report)
        read.setdefault(study, set()).update(images)
        readings[study, images] += 1
    return Account(
        promised=sum(map(len, promised.values())),
        resent=sum(len(copies) - 1 for copies in kept.values()),
        lost=sum(len(images - read.get(study, set())) for study, images in promised.items()),
        duplicated=sum(number - 1 for number in readings.values()),
        altered=sum(any(copy != copies[0] for copy in copies[1:]) for copies in kept.values()),
        half=half_files(state),
    )


def is_report(dataset: Dataset) -> bool:
    return bool(dataset.SOPClassUID == Comprehensive3DSRStorage)


def evidence(report: Dataset) -> frozenset[str]:
    """Return the SOP Instance UIDs of the images that a report is about."""
    return frozenset(
        str(instance.ReferencedSOPInstanceUID)
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    )


def half_files(state: Path) -> int:
    """Count what is left over or unreadable in spool and outbox."""
    files = [file for name in ("spool", "outbox") for file in (state / name).rglob("*")]
    return sum(_is_half(file) for file in files if file.is_file())


def _is_half(file: Path) -> bool:
    if file.suffix == ".part":
        return True
    try:
        dataset = dcmread(file)
    except (InvalidDicomError, EOFError, OSError):
        return True
    if "PixelData" not in dataset:
        return False
    bits = dataset.BitsAllocated * dataset.SamplesPerPixel * int(dataset.get("NumberOfFrames", 1))
    plain = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    return plain and len(dataset.PixelData) * 8 < dataset.Rows * dataset.Columns * bits
