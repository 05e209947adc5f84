"""What an image says besides its pixels, as one plain record; `daemon.dicom.parse` makes it.

Every value was checked: it may be copied into a result as it is. Empty texts, None and empty
tuples say nothing. Identifiers are kept to the letter, even where they are too long: a shortened
identifier may be another patient's.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from daemon.dicom import values
from daemon.dicom.coded import CodedValue
from daemon.dicom.views import View

Pair = tuple[float, float]
Side = Literal["L", "R"]


@dataclass(frozen=True)
class Issuer:
    """Who issued an identifier (PS3.3 table 10-17): a local name, or a universal one."""

    local: str = ""
    universal: str = ""
    universal_type: str = ""


@dataclass(frozen=True)
class Order:
    """One requested procedure (PS3.3 10.6)."""

    procedure_id: str
    accession_number: str = ""
    placer_number: str = ""
    filler_number: str = ""
    description: str = ""
    procedures: tuple[CodedValue, ...] = ()


@dataclass(frozen=True)
class Header:
    """One image's attributes.

    Attributes
    ----------
    patient_id, issuer_of_patient_id, accession_number, study_uid : str
        To the letter.
    age : str
        A VR AS.
    timezone : str
        Such as "+0500".
    body_part : str
        BodyPartExamined as it came, in capitals; it may be a site's own word.
    regions : tuple of CodedValue
        The part of the body as coded.
    side : "L", "R" or None
    view : View or None
        None also where the header contradicts itself.
    view_code : CodedValue or None
        The view as CID 4010 names it.
    rows, columns : int
        0 where they are not told.
    pixel_spacing, imager_spacing : (row spacing, column spacing) or None
        mm, above zero: PixelSpacing, and ImagerPixelSpacing at the detector.
    aspect : (int, int) or None
        Height and width of a pixel, where no spacing is known.
    orientation : (str, str) or None
    lossy, lossy_ratios, lossy_methods
        Whether the pixels were once compressed with loss, and how.
    for_processing : bool
        Raw detector values, not made for reading.
    descriptions : tuple of str
        What people and protocols called the image, the series and the study.
    unreadable : tuple of str
        Keywords of what was there and could not be read, or was left out.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_id_issuers: tuple[Issuer, ...] = ()
    patient_name: str = ""
    birth_date: str = ""
    sex: Literal["M", "F", "O", ""] = ""
    age: str = ""
    accession_number: str = ""
    accession_issuers: tuple[Issuer, ...] = ()
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    referring_physician: str = ""
    timezone: str = ""
    procedures: tuple[CodedValue, ...] = ()
    orders: tuple[Order, ...] = ()
    urgent: bool = False
    modality: str = ""
    station: str = ""
    body_part: str = ""
    regions: tuple[CodedValue, ...] = ()
    side: Side | None = None
    view: View | None = None
    view_code: CodedValue | None = None
    rows: int = 0
    columns: int = 0
    pixel_spacing: Pair | None = None
    imager_spacing: Pair | None = None
    calibration_type: str = ""
    calibration_description: str = ""
    aspect: tuple[int, int] | None = None
    orientation: tuple[str, str] | None = None
    lossy: bool = False
    lossy_ratios: tuple[str, ...] = ()
    lossy_methods: tuple[str, ...] = ()
    for_processing: bool = False
    quality_control: bool = False
    descriptions: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def age_years(self) -> float | None:
        """The patient's age in years."""
        return values.age_years(self.age)

    @property
    def spacing_mm(self) -> Pair | None:
        """The distance of pixel centres that is known best: (row spacing, column spacing)."""
        return self.pixel_spacing or self.imager_spacing

    def to_json(self) -> str:
        """Write it down, for the ledger and for the pipe from the decoder."""
        return _ADAPTER.dump_json(self, exclude_defaults=True).decode()

    @classmethod
    def from_json(cls, text: str) -> "Header":
        """Read back what `to_json` wrote."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Header)
