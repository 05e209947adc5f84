"""What every result object has: patient, study, series, equipment, and what makes it ours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from daemon.dicom.agreement import issued_under
from daemon.dicom.header import Header
from daemon.identity import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    MANUFACTURER,
    PRODUCT,
    VERSION,
)
from daemon.records import FindingScore, ImageReading, ModelIdentity, StudyReading
from daemon.results.document import codes
from daemon.results.document.inheritance import inherit, local_time
from daemon.results.document.uids import ResultUids, device_uid, uids_of
from daemon.results.language import Language
from daemon.results.region import Box, region_of
from daemon.results.result import ResultKind
from daemon.results.wording import leading
from daemon.settings import ReportSettings


@dataclass(frozen=True, eq=False)
class Basis:
    """All that the results of one reading are made from.

    `headers` are those of the study's images, in the order of `reading.images`; `issued_under` is
    the one whose patient and study all results bear; `when` is the time of the reading in its
    zone; `regions` holds a box, or None where there is no usable evidence, by SOP Instance UID and
    finding, for all findings that are not negative.
    """

    reading: StudyReading
    headers: tuple[Header, ...]
    issued_under: Header
    report: ReportSettings
    uids: ResultUids
    when: datetime
    regions: Mapping[tuple[str, str], Box | None]

    def numbered(self) -> Iterator[tuple[int, ImageReading, Header]]:
        """Give every image with its number, which readers see, and its header."""
        pairs = zip(self.reading.images, self.headers, strict=True)
        for number, (image, header) in enumerate(pairs, start=1):
            yield number, image, header

    def outlined(self, image: ImageReading) -> list[tuple[FindingScore, Box | None]]:
        """Return the findings on an image that are not negative, the worst first, and where."""
        return [
            (score, self.regions[image.sop_instance_uid, score.finding]) for score in leading(image)
        ]

    @property
    def say(self) -> Language:
        """The language of the pictures."""
        return Language(self.report.language)

    @classmethod
    def of(cls, reading: StudyReading, report: ReportSettings) -> "Basis":
        """Put a reading together with the settings.

        Raises
        ------
        ValueError
            There is no image, or one without its own header.
        """
        headers = tuple(_header_of(image) for image in reading.images)
        issued = replace(issued_under(headers), study_uid=reading.study_uid)
        when = local_time(reading.read_at, issued)
        regions = {
            (image.sop_instance_uid, score.finding): region_of(image, score.finding)
            for image in reading.images
            for score in leading(image)
        }
        return cls(reading, headers, issued, report, uids_of(reading), when, regions)


def _header_of(image: ImageReading) -> Header:
    if image.header is None or image.header.sop_instance_uid != image.sop_instance_uid:
        raise ValueError("an image has no header of its own")
    return image.header


@dataclass(frozen=True)
class ResultPlace:
    """Where a result object stands in its study.

    `series` and `name` tell objects of one kind apart (see `ResultUids`).
    """

    kind: ResultKind
    sop_class: UID
    modality: str
    description: str
    number: int = 1
    series: tuple[str, ...] = ()
    name: tuple[str, ...] = ()


def new_instance(place: ResultPlace, basis: Basis) -> FileDataset:
    """Return a data set with the modules that all results share (PS3.3 C.7.1, C.7.2, C.7.3, C.12).

    Patient and study are those that all results of the study are issued under.
    """
    sop_instance_uid = basis.uids.instance(place.kind, *place.name)
    dataset = FileDataset("", {}, file_meta=file_meta(place.sop_class, sop_instance_uid))
    dataset.preamble = b"\0" * 128
    inherit(dataset, basis.issued_under)
    dataset.SOPClassUID = place.sop_class
    dataset.SOPInstanceUID = sop_instance_uid
    _add_series(dataset, place, basis)
    _add_equipment(dataset, basis.reading.model)
    _add_origin(dataset, basis)
    return dataset


def software_versions(model: ModelIdentity) -> list[str]:
    """Name program and model, each within the 64 characters of a VR LO."""
    named = (f"{PRODUCT} {VERSION}", f"{model.name} {model.version}", f"sha256 {model.digest}")
    return [text.replace("\\", "/")[:64] for text in named]


def date_of(when: datetime) -> str:
    """Return a moment's date as a VR DA."""
    return when.strftime("%Y%m%d")


def time_of(when: datetime) -> str:
    """Return a moment's time as a VR TM."""
    return when.strftime("%H%M%S.%f")


def datetime_of(when: datetime) -> str:
    """Return a moment as a VR DT, with its offset."""
    return when.strftime("%Y%m%d%H%M%S%z")


def file_meta(sop_class: UID, sop_instance_uid: str) -> FileMetaDataset:
    """Return the file meta information of an uncompressed object of ours (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _add_series(dataset: Dataset, place: ResultPlace, basis: Basis) -> None:
    dataset.Modality = place.modality
    dataset.SeriesInstanceUID = basis.uids.series(place.kind, *place.series)
    dataset.SeriesNumber = basis.report.first_series_number + list(ResultKind).index(place.kind)
    dataset.SeriesDescription = place.description
    dataset.InstanceNumber = place.number
    dataset.SeriesDate = dataset.ContentDate = date_of(basis.when)
    dataset.SeriesTime = dataset.ContentTime = time_of(basis.when)


def _add_equipment(dataset: Dataset, model: ModelIdentity) -> None:
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = PRODUCT
    dataset.SoftwareVersions = software_versions(model)


def _add_origin(dataset: Dataset, basis: Basis) -> None:
    """Add the rest of the SOP Common module (PS3.3 C.12.1).

    Which training made the object is said by InstanceCreatorUID and SoftwareVersions: older
    editions know no Device UID among contributing equipment, and their validators call it an error.
    """
    model = basis.reading.model
    dataset.InstanceCreationDate = date_of(basis.when)
    dataset.InstanceCreationTime = time_of(basis.when)
    dataset.InstanceCreatorUID = device_uid(model.digest)
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [codes.code_item(codes.PROCESSING_EQUIPMENT)]
    equipment.Manufacturer = MANUFACTURER
    equipment.ManufacturerModelName = f"{model.name}"[:64]
    equipment.SoftwareVersions = software_versions(model)
    equipment.ContributionDateTime = datetime_of(basis.when)
    equipment.ContributionDescription = f"AI reading, {model.provider}"
    dataset.ContributingEquipmentSequence = [equipment]
