"""What must add up when everything has settled: promises against what the archive holds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import Comprehensive3DSRStorage, KeyObjectSelectionDocumentStorage


@dataclass(frozen=True)
class Account:
    """Every number but `promised`, `corrected`, `rejected` and `resent` must be zero.

    `rejected` counts the objects that rejection notes name, `standing` results of a corrected study
    that name a former patient, and that no note names.
    """

    promised: int
    corrected: int
    rejected: int
    resent: int
    lost: int
    duplicated: int
    altered: int
    half: int
    standing: int

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.altered or self.half or self.standing)

    def __str__(self) -> str:
        return ", ".join(f"{name} {number}" for name, number in asdict(self).items())


class Reported(NamedTuple):
    """Of which images of which study a report is, which patient it names, and who made it."""

    study: str
    images: frozenset[str]
    patient: str
    model: str


def settle(
    promised: Mapping[str, set[str]],
    kept: Mapping[str, list[Dataset]],
    states: Sequence[Path],
    patients: Mapping[str, str] | None = None,
    models: int = 1,
) -> Account:
    """Compare.

    Parameters
    ----------
    promised : mapping
        SOP Instance UIDs that were answered with Success, by Study Instance UID.
    kept : mapping
        What the archive got, by SOP Instance UID, each time it came.
    states : sequence of Path
        The daemons' folders, at rest.
    patients : mapping or None
        The Patient ID under which a corrected study was promised last, by Study Instance UID.
    models : int
        How many read every study: a promise to be read is lost unless each has.
    """
    corrected = patients or {}
    objects = {uid: copies[0] for uid, copies in kept.items()}
    rejected = frozenset().union(*(evidence(one) for one in objects.values() if is_note(one)))
    reports = {uid: reported(one) for uid, one in objects.items() if is_report(one)}
    valid = (one for uid, one in reports.items() if uid not in rejected)
    read = images_read(valid, corrected, models)
    return Account(
        promised=sum(map(len, promised.values())),
        corrected=len(corrected),
        rejected=len(rejected),
        resent=sum(len(copies) - 1 for copies in kept.values()),
        lost=sum(len(images - read.get(study, set())) for study, images in promised.items()),
        duplicated=sum(number - 1 for number in Counter(reports.values()).values()),
        altered=sum(any(copy != copies[0] for copy in copies[1:]) for copies in kept.values()),
        half=sum(map(half_files, states)),
        standing=sum(
            _names_another(one, corrected)
            for uid, one in objects.items()
            if uid not in rejected and not is_note(one)
        ),
    )


def images_read(
    reports: Iterable[Reported], patients: Mapping[str, str], models: int = 1
) -> dict[str, set[str]]:
    """Return the images that so many models have reported on, by study.

    Of corrected studies those that they reported under the patient of now.
    """
    read: dict[str, dict[str, set[str]]] = {}
    for one in reports:
        if patients.get(one.study, one.patient) == one.patient:
            of_study = read.setdefault(one.study, {})
            of_study.setdefault(one.model, set()).update(one.images)
    return {
        study: set.intersection(*by_model.values()) if len(by_model) >= models else set()
        for study, by_model in read.items()
    }


def reported(report: Dataset) -> Reported:
    patient = str(report.get("PatientID"))
    models = [one.ManufacturerModelName for one in report.get("ContributingEquipmentSequence", [])]
    return Reported(str(report.StudyInstanceUID), evidence(report), patient, "".join(models))


def is_report(dataset: Dataset) -> bool:
    return bool(dataset.SOPClassUID == Comprehensive3DSRStorage)


def is_note(dataset: Dataset) -> bool:
    return bool(dataset.SOPClassUID == KeyObjectSelectionDocumentStorage)


def evidence(document: Dataset) -> frozenset[str]:
    """Return the SOP Instance UIDs of what a report is about, or of what a note rejects."""
    return frozenset(
        str(instance.ReferencedSOPInstanceUID)
        for study in document.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    )


def half_files(state: Path) -> int:
    """Count what is left over or unreadable in spool and outbox."""
    files = [file for name in ("spool", "outbox") for file in (state / name).rglob("*")]
    return sum(_is_half(file) for file in files if file.is_file())


def _names_another(one: Dataset, patients: Mapping[str, str]) -> bool:
    wanted = patients.get(str(one.StudyInstanceUID))
    return wanted is not None and str(one.PatientID) != wanted


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
