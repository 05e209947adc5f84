"""Grey images as complete DX and CR objects with invented patients, and their odd variants.

`dx` and `cr` give objects that dciodvfy accepts without an error; the options of `Pixels` describe
the same picture in the many ways that DICOM allows; `tests.support.encodings` changes the transfer
syntax. UIDs are derived from what they name, so that a test can repeat itself.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from tests.support.stored import PLAIN, Pixels, intercept, store, window

_VIEW_CODES = {
    "PA": ("272479007", "Postero-anterior"),
    "LAT": ("399067008", "Lateral"),
    "OBL": ("399182000", "Oblique"),
}
_REGION_CODES = {"WRIST": ("74670003", "Wrist joint"), "CHEST": ("51185008", "Chest")}
_SIDE_CODES = {"L": ("7771000", "Left"), "R": ("24028007", "Right")}
"""SNOMED CT, from CID 4010, CID 4009 and CID 244."""


@dataclass(frozen=True)
class Patient:
    """An invented patient."""

    name: str = "DRAWN^ONE"
    patient_id: str = "DRAWN-1"
    issuer: str = "WRISTD TESTS"
    sex: Literal["M", "F", "O", ""] = "F"
    birth_date: str = "19800102"
    age: str = "045Y"


@dataclass(frozen=True)
class Exam:
    """One study, and how its images were taken. An empty laterality or age stays empty."""

    patient: Patient = Patient()
    study: str = "1"
    """Any text; with the patient it makes the Study Instance UID and the accession number."""
    body_part: str = "WRIST"
    laterality: Literal["L", "R", ""] = "L"
    spacing_mm: float = 0.144
    description: str = "XR wrist 2 views"

    @property
    def study_uid(self) -> str:
        """The Study Instance UID."""
        return uid("study", self.patient.patient_id, self.study)


EXAM = Exam()


def uid(*parts: object) -> str:
    """Return the UID that belongs to these parts."""
    text = "\x1f".join(("wristd tests", *map(str, parts)))
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:15], 'big')}"


def dx(
    picture: NDArray[np.uint16],
    view: str = "PA",
    exam: Exam = EXAM,
    pixels: Pixels = PLAIN,
    *,
    number: int = 1,
) -> FileDataset:
    """Return a Digital X-Ray Image for presentation (PS3.3 A.26).

    Parameters
    ----------
    picture : uint16 array, shape (rows, columns)
        Larger is brighter, `pixels.bits` used.
    view : "PA", "LAT", "OBL" or ""
    number : int
        Series and instance number; another number is another image of the study.
    """
    dataset = _start(DigitalXRayImageStorageForPresentation, "DX", (view, exam), number)
    _dx_modules(dataset, view, exam)
    store(dataset, picture, pixels)
    window(dataset, pixels)
    dataset.update(_named(pixels.extra))
    return dataset


def cr(
    picture: NDArray[np.uint16],
    view: str = "PA",
    exam: Exam = EXAM,
    pixels: Pixels = PLAIN,
    *,
    number: int = 1,
) -> FileDataset:
    """Return a Computed Radiography Image (PS3.3 A.2); parameters as for `dx`."""
    dataset = _start(ComputedRadiographyImageStorage, "CR", (view, exam), number)
    dataset.BodyPartExamined = exam.body_part
    dataset.ViewPosition = {"LAT": "LL", "OBL": "LLO"}.get(view, view)
    dataset.Laterality = exam.laterality
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PixelSpacing = [exam.spacing_mm, exam.spacing_mm]
    store(dataset, picture, pixels)
    dataset.RescaleSlope, dataset.RescaleIntercept = pixels.slope, intercept(pixels)
    dataset.RescaleType = "US"
    if pixels.window or pixels.voi_lut:
        window(dataset, pixels)
    dataset.update(_named(pixels.extra))
    return dataset


def study_of(
    pictures: list[tuple[str, NDArray[np.uint16]]],
    exam: Exam = EXAM,
    pixels: Pixels = PLAIN,
) -> list[FileDataset]:
    """Return the DX objects of one study from (view, picture) pairs."""
    return [
        dx(picture, view, exam, pixels, number=number)
        for number, (view, picture) in enumerate(pictures, start=1)
    ]


def save(dataset: FileDataset, file: Path) -> Path:
    """Write a file in the dataset's own transfer syntax and return its path."""
    syntax = dataset.file_meta.TransferSyntaxUID
    dataset.save_as(
        file,
        enforce_file_format=True,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
    )
    return file


def save_all(datasets: list[FileDataset], folder: Path) -> list[Path]:
    """Write several objects to numbered files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [save(one, folder / f"{number:03}.dcm") for number, one in enumerate(datasets, start=1)]


def _start(sop_class: UID, modality: str, shot: tuple[str, Exam], number: int) -> FileDataset:
    view, exam = shot
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(uid("instance", exam.study_uid, number))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = exam.study_uid
    dataset.SeriesInstanceUID = uid("series", exam.study_uid, number)
    dataset.Modality = modality
    dataset.PatientOrientation = _orientation(view, exam)
    dataset.SeriesNumber = dataset.InstanceNumber = number
    _identify(dataset, exam)
    return dataset


def _orientation(view: str, exam: Exam) -> list[str]:
    """Say where the right and the lower edge point (PS3.3 C.7.6.1.1.1); the fingers point up."""
    if exam.body_part == "CHEST":
        return ["L", "F"]
    if view == "LAT":
        return ["A" if exam.laterality == "R" else "P", "H"]
    return ["L", "H"]


def _identify(dataset: Dataset, exam: Exam) -> None:
    patient = exam.patient
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = patient.name, patient.patient_id
    dataset.IssuerOfPatientID = patient.issuer
    dataset.PatientBirthDate, dataset.PatientSex = patient.birth_date, patient.sex
    dataset.PatientAge = patient.age
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = "20250314"
    dataset.ContentDate = "20250314"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = "101500"
    dataset.ContentTime = "101500"
    dataset.StudyID = exam.study[:16]
    dataset.AccessionNumber = f"ACC{int(uid(exam.study_uid)[5:]) % 10**9:09}"
    dataset.StudyDescription = exam.description
    dataset.ReferringPhysicianName = "REFERRER^INVENTED"
    dataset.Manufacturer = "Drawn phantoms"
    dataset.ManufacturerModelName = "Phantom"
    dataset.InstitutionName = "Invented Hospital"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "1"


def _dx_modules(dataset: Dataset, view: str, exam: Exam) -> None:
    """DX series, anatomy, image, detector, positioning and acquisition context (PS3.3 C.8.11)."""
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.BodyPartExamined = exam.body_part
    dataset.ImageLaterality = exam.laterality or "U"
    region = _REGION_CODES.get(exam.body_part)
    dataset.AnatomicRegionSequence = [_code(region)] if region else []
    if region and exam.laterality:
        modifier = [_code(_SIDE_CODES[exam.laterality])]
        dataset.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = modifier
    dataset.PixelIntensityRelationship = "LOG"
    dataset.RescaleType = "US"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.ImagerPixelSpacing = [exam.spacing_mm, exam.spacing_mm]
    dataset.PixelSpacing = [exam.spacing_mm, exam.spacing_mm]
    dataset.PixelSpacingCalibrationType = "GEOMETRY"
    dataset.PixelSpacingCalibrationDescription = "invented"
    dataset.DetectorType = "SCINTILLATOR"
    dataset.PositionerType = "NONE"
    dataset.ViewPosition = {"LAT": "LL", "OBL": "LLO"}.get(view, view)
    dataset.ViewCodeSequence = [_code(_VIEW_CODES[view])] if view in _VIEW_CODES else []
    if view in _VIEW_CODES:
        dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []
    dataset.AcquisitionContextSequence = []


def _code(concept: tuple[str, str]) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = concept
    item.CodingSchemeDesignator = "SCT"
    return item


def _named(extra: dict[str, Any]) -> Dataset:
    dataset = Dataset()
    for keyword, value in extra.items():
        setattr(dataset, keyword, value)
    return dataset
