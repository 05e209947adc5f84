"""The report of last resort: what was found, in words, where the report itself cannot be made.

It needs identifiers only, and shares no code with what may have failed: a positive finding must
never be lost to an odd header. It is a Comprehensive (3D) SR of plain text (PS3.3 A.35.3, A.35.13).
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from pydicom import DataElement, Dataset, FileDataset, config
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from daemon.dicom.header import Header
from daemon.dicom.values import is_uid
from daemon.identity import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    MANUFACTURER,
    PRODUCT,
    VERSION,
    derived_uid,
)
from daemon.records import ImageReading, StudyReading
from daemon.results.document.uids import uids_of
from daemon.results.result import ResultKind, ResultObject

_WHAT_THIS_IS = (
    "AI result - not for diagnostic use. The complete report could not be made; this one holds all "
    "that was found."
)
_MOST_LETTERS = 64
"""Of a VR LO, and of a component group of a VR PN."""


def last_resort(
    reading: StudyReading, sop_class: UID, destinations: tuple[str, ...], series_number: int
) -> ResultObject:
    """Return a report that says the reading's outcome in words.

    Parameters
    ----------
    reading : StudyReading
        Its images may lack their headers.
    sop_class : UID
        Comprehensive 3D SR or Comprehensive SR.
    destinations : tuple of str
        Names of those that get it; empty: all of them.
    series_number : int
    """
    key = ("last resort", sop_class, *uids_of(reading).key)
    report = FileDataset("", {}, file_meta=_meta(sop_class, derived_uid("instance", *key)))
    report.preamble = b"\0" * 128
    report.SpecificCharacterSet = "ISO_IR 192"
    report.SOPClassUID = sop_class
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID
    _identify(report, reading)
    _place(report, derived_uid("series", *key), series_number, reading.read_at.astimezone())
    if listed := _evidence(reading):
        report.CurrentRequestedProcedureEvidenceSequence = listed
    report.ValueType = "CONTAINER"
    report.ContinuityOfContent = "SEPARATE"
    report.ConceptNameCodeSequence = [_code("126000", "Imaging Measurement Report")]
    report.ContentSequence = [_language(), *_observer(), *map(_text, _sentences(reading))]
    return ResultObject(ResultKind.REPORT, report, destinations)


def _meta(sop_class: UID, sop_instance_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _identify(report: Dataset, reading: StudyReading) -> None:
    """Write the Patient and General Study modules: identifiers, all else stays empty."""
    headers = [image.header for image in reading.images if image.header is not None]
    first = next((one for one in headers if one.patient_id), None)
    _to_the_letter(report, "StudyInstanceUID", "UI", reading.study_uid)
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        setattr(report, keyword, "")
    report.ReferringPhysicianName = report.PatientName = report.PatientID = ""
    report.AccessionNumber = ""
    if first is None:
        return
    _to_the_letter(report, "PatientID", "LO", first.patient_id)
    _to_the_letter(report, "IssuerOfPatientID", "LO", first.issuer_of_patient_id)
    _to_the_letter(report, "AccessionNumber", "SH", first.accession_number)
    if len(first.patient_name) <= _MOST_LETTERS:
        _to_the_letter(report, "PatientName", "PN", first.patient_name)


def _to_the_letter(target: Dataset, keyword: str, vr: str, text: str) -> None:
    """Write a text that can be written."""
    if text and text.isprintable():
        target.add(DataElement(keyword, vr, text, validation_mode=config.IGNORE))


def _place(report: Dataset, series_uid: str, series_number: int, when: datetime) -> None:
    """Write the SR Document Series and General, the General Equipment and SOP Common modules."""
    report.Modality = "SR"
    report.SeriesInstanceUID = series_uid
    report.SeriesNumber = series_number
    report.SeriesDescription = "AI report"
    report.ReferencedPerformedProcedureStepSequence = []
    report.Manufacturer, report.ManufacturerModelName = MANUFACTURER, PRODUCT
    report.SoftwareVersions = f"{PRODUCT} {VERSION}"
    report.InstanceNumber = 1
    report.ContentDate, report.ContentTime = f"{when:%Y%m%d}", f"{when:%H%M%S}"
    report.PerformedProcedureCodeSequence = []
    report.CompletionFlag = "COMPLETE"
    report.VerificationFlag = "UNVERIFIED"
    report.PreliminaryFlag = "PRELIMINARY"


def _evidence(reading: StudyReading) -> list[Dataset]:
    """List the images by series (PS3.3 C.17.2.1), as far as they are known by valid UIDs."""
    by_series: dict[str, list[Dataset]] = defaultdict(list)
    for image in reading.images:
        header = image.header
        if header is None or not _names_an_image(header):
            continue
        item = Dataset()
        _to_the_letter(item, "ReferencedSOPClassUID", "UI", header.sop_class_uid)
        _to_the_letter(item, "ReferencedSOPInstanceUID", "UI", header.sop_instance_uid)
        series_uid = header.series_uid or derived_uid("unknown series", header.sop_instance_uid)
        by_series[series_uid].append(item)
    series = []
    for uid, items in by_series.items():
        one = Dataset()
        _to_the_letter(one, "SeriesInstanceUID", "UI", uid)
        one.ReferencedSOPSequence = items
        series.append(one)
    study = Dataset()
    _to_the_letter(study, "StudyInstanceUID", "UI", reading.study_uid)
    study.ReferencedSeriesSequence = series
    return [study] if series else []


def _names_an_image(header: Header) -> bool:
    return is_uid(header.sop_class_uid) and is_uid(header.sop_instance_uid)


def _sentences(reading: StudyReading) -> Iterator[tuple[str, str, str]]:
    """Give code, meaning and text of each item."""
    outcome = f"Outcome: {reading.category}"
    yield "121073", "Impression", f"{outcome} ({reading.reason})" if reading.reason else outcome
    for number, image in enumerate(reading.images, start=1):
        yield from _of_image(number, image)
    if reading.disagreements:
        names = ", ".join(reading.disagreements)
        yield "121106", "Comment", f"Images disagree in {names}; released by a person."
    model = reading.model
    yield "121106", "Comment", f"Model {model.name} {model.version}, sha256 {model.digest}"
    yield "121106", "Comment", _WHAT_THIS_IS


def _of_image(number: int, image: ImageReading) -> Iterator[tuple[str, str, str]]:
    if image.reason:
        yield "121106", "Comment", f"Image {number}: {image.category} ({image.reason})"
    for score in image.scores:
        words = f"{score.finding}: {score.category}, score {score.probability:.3f}"
        yield "121071", "Finding", f"Image {number}: {words}"
    for note in image.notes:
        yield "121106", "Comment", f"Image {number}: {note}"


def _text(said: tuple[str, str, str]) -> Dataset:
    value, meaning, text = said
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = "TEXT"
    item.ConceptNameCodeSequence = [_code(value, meaning)]
    item.TextValue = text
    return item


def _language() -> Dataset:
    item = Dataset()
    item.RelationshipType = "HAS CONCEPT MOD"
    item.ValueType = "CODE"
    item.ConceptNameCodeSequence = [_code("121049", "Language of Content Item and Descendants")]
    item.ConceptCodeSequence = [_code("en", "English", "RFC5646")]
    return item


def _observer() -> list[Dataset]:
    """Say that a device observed (PS3.16 TID 1002, 1004)."""
    kind, device = Dataset(), Dataset()
    kind.RelationshipType = device.RelationshipType = "HAS OBS CONTEXT"
    kind.ValueType, device.ValueType = "CODE", "UIDREF"
    kind.ConceptNameCodeSequence = [_code("121005", "Observer Type")]
    kind.ConceptCodeSequence = [_code("121007", "Device")]
    device.ConceptNameCodeSequence = [_code("121012", "Device Observer UID")]
    device.UID = derived_uid("observer", PRODUCT)
    return [kind, device]


def _code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
