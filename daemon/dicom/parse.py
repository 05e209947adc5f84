"""Decide what an image's header says: each fact here, once, for every room of the daemon.

Runs in the decoder's child process.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from pydicom.uid import DigitalXRayImageStorageForProcessing

from daemon.dicom import values, views
from daemon.dicom.attributes import Attributes
from daemon.dicom.coded import CodedValue
from daemon.dicom.file import DicomFile
from daemon.dicom.header import Header, Issuer, Order, Pair, Side
from daemon.dicom.views import View

_MOST_ITEMS = 16
"""Items of a sequence that are read: real ones have one or two."""
_URGENT = ("STAT", "HIGH")
"""Values of RequestedProcedurePriority (0040,1003)."""
_LONGEST_SIDE = 0xFFFF
_LEAST_MM, _MOST_MM = 0.001, 100.0
"""Distances of pixels that a radiograph may have."""
_AXES = (frozenset("LR"), frozenset("AP"), frozenset("HF"))
"""Letters of PatientOrientation (PS3.3 C.7.6.1.1.1)."""
_DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments")
KEYWORDS = (
    *_DESCRIPTIONS,
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
    "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "PatientName",
    "PatientBirthDate", "PatientSex", "PatientAge", "AccessionNumber",
    "IssuerOfAccessionNumberSequence", "StudyID", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "TimezoneOffsetFromUTC", "ProcedureCodeSequence",
    "RequestAttributesSequence", "ReferencedRequestSequence", "RequestedProcedurePriority",
    "Modality", "StationName", "BodyPartExamined",
    "AnatomicRegionSequence", "ImageLaterality", "Laterality", "ViewPosition", "ViewCodeSequence",
    "Rows", "Columns", "PixelSpacing", "ImagerPixelSpacing", "PixelSpacingCalibrationType",
    "PixelSpacingCalibrationDescription", "PixelAspectRatio", "PatientOrientation",
    "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    "PresentationIntentType", "QualityControlImage",
)  # fmt: skip
"""What `header_of` asks for."""


def read_header(file: Path) -> Header:
    """Read the header of a stored object.

    Raises
    ------
    NotDicom
        The file is no DICOM file.
    OSError
        It cannot be opened.
    """
    return header_of(DicomFile(file).attributes(KEYWORDS))


def header_of(said: Attributes) -> Header:
    """Decide every fact."""
    header = Header(
        sop_class_uid=said.text("SOPClassUID"),
        sop_instance_uid=said.text("SOPInstanceUID"),
        study_uid=said.text("StudyInstanceUID"),
        series_uid=_checked(said, "SeriesInstanceUID", values.uid_text),
    )
    for decide in (_patient, _study, _picture, _geometry):
        header = decide(header, said)
    return replace(header, unreadable=tuple(sorted(said.unreadable)))


def _patient(header: Header, said: Attributes) -> Header:
    return replace(
        header,
        patient_id=_identifier(said, "PatientID"),
        issuer_of_patient_id=_identifier(said, "IssuerOfPatientID"),
        patient_id_issuers=_issuers(said, "IssuerOfPatientIDQualifiersSequence"),
        patient_name=values.name_text(said.text("PatientName")),
        birth_date=_checked(said, "PatientBirthDate", values.date_text),
        sex=_sex(said),
        age=_checked(said, "PatientAge", values.age_text),
    )


def _study(header: Header, said: Attributes) -> Header:
    return replace(
        header,
        accession_number=_identifier(said, "AccessionNumber"),
        accession_issuers=_issuers(said, "IssuerOfAccessionNumberSequence"),
        study_id=_checked(said, "StudyID", values.short_text),
        study_date=_checked(said, "StudyDate", values.date_text),
        study_time=_checked(said, "StudyTime", values.time_text),
        study_description=_checked(said, "StudyDescription", values.long_text),
        referring_physician=values.name_text(said.text("ReferringPhysicianName")),
        timezone=_checked(said, "TimezoneOffsetFromUTC", values.offset_text),
        procedures=_codes(said, "ProcedureCodeSequence"),
        orders=_orders(said),
        urgent=_urgent(said),
        descriptions=_descriptions(said),
    )


def _picture(header: Header, said: Attributes) -> Header:
    view, view_code = _view(said)
    is_raw = said.text("PresentationIntentType").upper() == "FOR PROCESSING"
    return replace(
        header,
        modality=_checked(said, "Modality", values.code_string),
        station=_checked(said, "StationName", values.short_text),
        body_part=said.text("BodyPartExamined").upper(),
        regions=_codes(said, "AnatomicRegionSequence"),
        side=_side(said),
        view=view,
        view_code=view_code,
        orientation=_orientation(said),
        lossy=said.text("LossyImageCompression") == "01",
        lossy_ratios=_lossy_ratios(said),
        lossy_methods=_lossy_methods(said),
        for_processing=is_raw or header.sop_class_uid == DigitalXRayImageStorageForProcessing,
        quality_control=said.text("QualityControlImage").upper() == "YES",
    )


def _geometry(header: Header, said: Attributes) -> Header:
    described = "PixelSpacingCalibrationDescription"
    return replace(
        header,
        rows=_side_length(said, "Rows"),
        columns=_side_length(said, "Columns"),
        pixel_spacing=_spacing(said, "PixelSpacing"),
        imager_spacing=_spacing(said, "ImagerPixelSpacing"),
        calibration_type=_checked(said, "PixelSpacingCalibrationType", values.code_string),
        calibration_description=_checked(said, described, values.long_text),
        aspect=_aspect(said),
    )


def _checked(said: Attributes, keyword: str, check: Callable[[str], str]) -> str:
    """Return a text that passed the check of its VR; note one that did not."""
    text = said.text(keyword)
    checked = check(text)
    if text and not checked:
        said.note(keyword)
    return checked


def _identifier(said: Attributes, keyword: str) -> str:
    """Return an identifier to the letter, backslashes included."""
    return "\\".join(said.texts(keyword))


def _sex(said: Attributes) -> Literal["M", "F", "O", ""]:
    sexes: dict[str, Literal["M", "F", "O"]] = {"M": "M", "F": "F", "O": "O"}
    text = said.text("PatientSex").upper()
    if text and text not in sexes:
        said.note("PatientSex")
    return sexes.get(text, "")


def _items(said: Attributes, keyword: str) -> Iterator[Attributes]:
    return islice(said.items(keyword), _MOST_ITEMS)


def _codes(said: Attributes, keyword: str) -> tuple[CodedValue, ...]:
    """Return the complete codes of a sequence."""
    found = []
    for item in _items(said, keyword):
        code = CodedValue(
            _checked(item, "CodeValue", values.short_text),
            _checked(item, "CodingSchemeDesignator", values.short_text),
            _checked(item, "CodeMeaning", values.long_text),
        )
        if code.value and code.scheme and code.meaning:
            found.append(code)
    return tuple(found)


def _issuers(said: Attributes, keyword: str) -> tuple[Issuer, ...]:
    found = []
    for item in _items(said, keyword):
        universal, local = item.text("UniversalEntityID"), item.text("LocalNamespaceEntityID")
        kind = _checked(item, "UniversalEntityIDType", values.code_string)
        issuer = Issuer(local, universal if kind else "", kind if universal else "")
        if issuer != Issuer():
            found.append(issuer)
    return tuple(found)


def _orders(said: Attributes) -> tuple[Order, ...]:
    """Return the requests: images have them in their series' items, documents in their own."""
    requests = ("RequestAttributesSequence", "ReferencedRequestSequence")
    found = []
    for item in chain.from_iterable(_items(said, keyword) for keyword in requests):
        order = Order(
            procedure_id=_checked(item, "RequestedProcedureID", values.short_text),
            accession_number=_checked(item, "AccessionNumber", values.short_text),
            placer_number=_checked(
                item, "PlacerOrderNumberImagingServiceRequest", values.long_text
            ),
            filler_number=_checked(
                item, "FillerOrderNumberImagingServiceRequest", values.long_text
            ),
            description=_checked(item, "RequestedProcedureDescription", values.long_text),
            procedures=_codes(item, "RequestedProcedureCodeSequence"),
        )
        if order.procedure_id:
            found.append(order)
    return tuple(found)


def _urgent(said: Attributes) -> bool:
    places = (said, *_items(said, "RequestAttributesSequence"))
    return any(place.text("RequestedProcedurePriority").upper() in _URGENT for place in places)


def _side(said: Attributes) -> Side | None:
    sides: dict[str, Side] = {"L": "L", "R": "R"}
    image = said.text("ImageLaterality").upper()
    return sides.get(image or said.text("Laterality").upper())


def _view(said: Attributes) -> tuple[View | None, CodedValue | None]:
    """Return the view by position and by code; none where they contradict each other."""
    position = said.text("ViewPosition")
    code = next((one.value for one in _codes(said, "ViewCodeSequence")), "")
    named = views.view_of_position(position), views.view_of_code(code)
    found = {view for view in named if view is not None}
    if len(found) > 1:
        said.note("ViewPosition")
        return None, None
    coded = views.code_of_code(code) or views.code_of_position(position)
    return (found.pop() if found else None), coded


def _side_length(said: Attributes, keyword: str) -> int:
    length = said.integer(keyword)
    return length if length is not None and 0 < length <= _LONGEST_SIDE else 0


def _spacing(said: Attributes, keyword: str) -> Pair | None:
    """Return both distances, mm; a single one means square pixels (PS3.3 10.7.1.3)."""
    numbers = said.numbers(keyword)
    if not numbers:
        return None
    pair = numbers * 2 if len(numbers) == 1 else numbers
    if len(pair) != 2 or not all(_LEAST_MM <= part <= _MOST_MM for part in pair):  # noqa: PLR2004
        said.note(keyword)
        return None
    return pair[0], pair[1]


def _aspect(said: Attributes) -> tuple[int, int] | None:
    numbers = said.integers("PixelAspectRatio")
    if not numbers:
        return None
    if len(numbers) != 2 or not all(0 < part < 1 << 31 for part in numbers):  # noqa: PLR2004
        said.note("PixelAspectRatio")
        return None
    return numbers[0], numbers[1]


def _orientation(said: Attributes) -> tuple[str, str] | None:
    """Return where rows and columns point, where both are told in letters of a biped."""
    parts = said.texts("PatientOrientation")
    if not any(parts):
        return None
    two = len(parts) == len(set(parts)) == 2  # noqa: PLR2004
    if not two or not all(map(_is_direction, parts)):
        said.note("PatientOrientation")
        return None
    return parts[0], parts[1]


def _is_direction(text: str) -> bool:
    """Tell whether letters say where something points: no axis twice."""
    axes = [axis for axis in _AXES if axis & set(text)]
    return 0 < len(text) == len(axes) and set(text) <= frozenset().union(*_AXES)


def _lossy_ratios(said: Attributes) -> tuple[str, ...]:
    return tuple(values.decimal_text(one) for one in said.numbers("LossyImageCompressionRatio"))


def _lossy_methods(said: Attributes) -> tuple[str, ...]:
    """Return the methods in capitals; all of them, or none: they belong to ratios in order."""
    methods = tuple(map(values.code_string, said.texts("LossyImageCompressionMethod")))
    if not all(methods):
        said.note("LossyImageCompressionMethod")
        return ()
    return methods


def _descriptions(said: Attributes) -> tuple[str, ...]:
    texts = (" ".join(said.texts(keyword)) for keyword in _DESCRIPTIONS)
    return tuple(text for text in texts if text)
