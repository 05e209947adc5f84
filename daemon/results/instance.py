"""What every result object has: patient, study, series, equipment, and what makes it ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from daemon.identity import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    MANUFACTURER,
    PRODUCT,
    VERSION,
)
from daemon.records import FindingScore, ImageReading, ModelIdentity, StudyReading
from daemon.results import codes
from daemon.results.header import inherit, local_time
from daemon.results.language import Language
from daemon.results.region import Box, region_of
from daemon.results.result import Kind
from daemon.results.uids import ResultUids, device_uid, uids_of
from daemon.results.wording import leading
from daemon.settings import Report


@dataclass(frozen=True, eq=False)
class Basis:
    """All that the results of one reading are made from.

    `sources` are the headers of the study's images, in the order of `reading.images`; `when` is the
    time of the reading in the zone of the sources; `regions` holds a box, or None where there is no
    usable evidence, by SOP Instance UID and finding, for all findings that are not negative.
    """

    reading: StudyReading
    sources: tuple[Dataset, ...]
    report: Report
    uids: ResultUids
    when: datetime
    regions: Mapping[tuple[str, str], Box | None]

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
    def of(cls, reading: StudyReading, sources: Sequence[Dataset], report: Report) -> "Basis":
        """Put a reading together with its sources.

        Raises
        ------
        ValueError
            There is no source, or the sources are not those of the reading.
        """
        if not sources:
            raise ValueError("results need at least one source header")
        expected = [image.sop_instance_uid for image in reading.images]
        if [str(source.get("SOPInstanceUID", "")) for source in sources] != expected:
            raise ValueError("the sources must be those of the reading, in its order")
        when = local_time(reading.read_at, sources[0])
        regions = {
            (image.sop_instance_uid, score.finding): region_of(image, score.finding)
            for image in reading.images
            for score in leading(image)
        }
        return cls(reading, tuple(sources), report, uids_of(reading), when, regions)


@dataclass(frozen=True)
class Place:
    """Where a result object stands in its study.

    `series` and `name` tell objects of one kind apart (see `ResultUids`).
    """

    kind: Kind
    sop_class: UID
    modality: str
    description: str
    number: int = 1
    series: tuple[str, ...] = ()
    name: tuple[str, ...] = ()


def new_instance(place: Place, basis: Basis) -> FileDataset:
    """Return a data set with the modules that all results share (PS3.3 C.7.1, C.7.2, C.7.3, C.12).

    Patient and study come from the first source.
    """
    sop_instance_uid = basis.uids.instance(place.kind, *place.name)
    dataset = FileDataset("", {}, file_meta=file_meta(place.sop_class, sop_instance_uid))
    dataset.preamble = b"\0" * 128
    inherit(dataset, basis.sources[0])
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


def _add_series(dataset: Dataset, place: Place, basis: Basis) -> None:
    dataset.Modality = place.modality
    dataset.SeriesInstanceUID = basis.uids.series(place.kind, *place.series)
    dataset.SeriesNumber = basis.report.first_series_number + list(Kind).index(place.kind)
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
