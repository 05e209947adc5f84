"""What a result takes over from the header of its source: patient, study and order; nothing else.

Identifiers are copied to the letter, even where the source breaks a length limit: a shortened
identifier may be another patient's. Other values that DICOM does not allow are left empty; nothing
is ever invented. Text arrives decoded and leaves as UTF-8.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Literal

from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

IDENTIFIERS = ("PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyInstanceUID")
"""Say whose the study is: copied to the letter."""

_NEVER_LEFT_OUT = (
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "ReferringPhysicianName",
)
_EVEN_WHEN_EMPTY = ("PatientID", "AccessionNumber", *_NEVER_LEFT_OUT)
"""Type 2 of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1)."""

_OTHERS = (*_NEVER_LEFT_OUT, "StudyDescription", "PatientAge", "TimezoneOffsetFromUTC")

# fmt: off
UNPAIRED = frozenset({
    "ABDOMEN", "ABDOMENPELVIS", "AORTA", "BACK", "BLADDER", "BRAIN", "CERVIX", "CHEST",
    "CHESTABDOMEN", "CHESTABDPELVIS", "CIRCLEOFWILLIS", "COCCYX", "COLON", "CSPINE", "CTSPINE",
    "DUODENUM", "ESOPHAGUS", "FACE", "GALLBLADDER", "HEAD", "HEADNECK", "HEART", "ILEUM", "JAW",
    "JEJUNUM", "LARYNX", "LIVER", "LSPINE", "LSSPINE", "MAXILLA", "MEDIASTINUM", "MOUTH", "NECK",
    "NECKCHEST", "NECKCHESTABDOMEN", "NECKCHESTABDPELV", "NOSE", "PANCREAS", "PELVIS", "PENIS",
    "PHARYNX", "PROSTATE", "RECTUM", "SKULL", "SPINE", "SPLEEN", "SSPINE", "STERNUM", "STOMACH",
    "THYROID", "TLSPINE", "TONGUE", "TRACHEA", "TSPINE", "UTERUS", "VAGINA", "VULVA", "WHOLEBODY",
})
# fmt: on
"""BodyPartExamined values (PS3.16 Annex L) of which there is one: they have no Laterality."""

_CODE_PARTS = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_ISSUER_PARTS = ("LocalNamespaceEntityID", "UniversalEntityID")
_NAME_LIMIT = 64
_ORDER_PARTS = (
    "AccessionNumber",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
)


def inherit(target: Dataset, source: Dataset) -> None:
    """Copy the Patient and General Study modules from a source's header."""
    target.SpecificCharacterSet = "ISO_IR 192"
    texts = {keyword: text_of(source, keyword) for keyword in IDENTIFIERS}
    texts |= {keyword: allowed_text(source, keyword) for keyword in _OTHERS}
    for keyword, text in texts.items():
        if text or keyword in _EVEN_WHEN_EMPTY:
            _put(target, keyword, text)
    if procedures := procedure_codes(source):
        target.ProcedureCodeSequence = procedures
    for keyword in ("IssuerOfAccessionNumberSequence", "IssuerOfPatientIDQualifiersSequence"):
        if items := _items_with(source, keyword, _ISSUER_PARTS, any_of=True):
            setattr(target, keyword, items)


def text_of(source: Dataset, keyword: str) -> str:
    """Return a value as text, decoded; empty when it is absent. Several values keep backslashes."""
    value = source.get(keyword)
    if value is None:
        return ""
    if isinstance(value, MultiValue):
        return "\\".join(str(one) for one in value)
    return str(value)


def allowed_text(source: Dataset, keyword: str) -> str:
    """Return a value as text, or nothing where it breaks the rules of its VR (PS3.5 6.2).

    Of names, each component group is cut to 64 characters instead.
    """
    text = text_of(source, keyword)
    vr = dictionary_VR(keyword)
    if vr == "PN":
        return "=".join(group[:_NAME_LIMIT] for group in text.split("="))
    if keyword == "PatientSex" and text not in ("M", "F", "O"):
        return ""
    try:
        validate_value(vr, text, config.RAISE)
    except (ValueError, TypeError):
        return ""
    return text


def procedure_codes(source: Dataset) -> list[Dataset]:
    """Return the performed procedure's complete codes (0008,1032)."""
    return _items_with(source, "ProcedureCodeSequence", _CODE_PARTS, any_of=False)


def anatomic_regions(source: Dataset) -> list[Dataset]:
    """Return the complete codes of the part of the body (0008,2218)."""
    return _items_with(source, "AnatomicRegionSequence", _CODE_PARTS, any_of=False)


def orders(source: Dataset) -> list[Dataset]:
    """Return the order as items of a Referenced Request Sequence (PS3.3 C.17.2), if there is one.

    Most senders put the order's numbers into the Request Attributes Sequence of the series.
    """
    return [
        _order(source, request)
        for request in source.get("RequestAttributesSequence") or []
        if text_of(request, "RequestedProcedureID")
    ]


def laterality_of(source: Dataset) -> Literal["L", "R"] | None:
    """Return the side of the body; None when the header does not say."""
    value = text_of(source, "ImageLaterality") or text_of(source, "Laterality")
    if value == "L":
        return "L"
    return "R" if value == "R" else None


def body_part(target: Dataset, source: Dataset, side: str | None) -> None:
    """Write body part and side into a series: 2C there, and wrong for unpaired parts (C.7.3.1)."""
    part = allowed_text(source, "BodyPartExamined")
    if part:
        target.BodyPartExamined = part
    if part not in UNPAIRED:
        target.Laterality = side or ""


def common_laterality(sources: Sequence[Dataset]) -> Literal["L", "R"] | None:
    """Return the side that all sources agree on."""
    sides = {laterality_of(source) for source in sources}
    return sides.pop() if len(sides) == 1 else None


def local_time(moment: datetime, source: Dataset) -> datetime:
    """Return a moment in the zone in which the source's times are to be read.

    Without a TimezoneOffsetFromUTC that is the zone of this machine.
    """
    offset = allowed_text(source, "TimezoneOffsetFromUTC")
    try:
        minutes = int(offset[:3]) * 60 + int(offset[0] + offset[3:5])
    except (ValueError, IndexError):
        return moment.astimezone()
    return moment.astimezone(timezone(timedelta(minutes=minutes)))


def _order(source: Dataset, request: Dataset) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = source.StudyInstanceUID
    item.ReferencedStudySequence = []
    for keyword in _ORDER_PARTS:
        text = allowed_text(request, keyword)
        if not text and keyword == "AccessionNumber":
            text = allowed_text(source, keyword)
        _put(item, keyword, text)
    item.RequestedProcedureCodeSequence = _items_with(
        request, "RequestedProcedureCodeSequence", _CODE_PARTS, any_of=False
    )
    return item


def _items_with(
    source: Dataset, keyword: str, parts: Sequence[str], *, any_of: bool
) -> list[Dataset]:
    """Copy the named text parts of the items that have all (or any) of them."""
    enough = any if any_of else all
    items = []
    for original in source.get(keyword) or []:
        texts = {part: allowed_text(original, part) for part in parts}
        if not enough(texts.values()):
            continue
        item = Dataset()
        for part, text in texts.items():
            if text:
                _put(item, part, text)
        if "UniversalEntityID" in item:
            _put(item, "UniversalEntityIDType", allowed_text(original, "UniversalEntityIDType"))
        items.append(item)
    return items


def _put(target: Dataset, keyword: str, text: str) -> None:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    vr = dictionary_VR(keyword)
    target.add(DataElement(tag, vr, text, validation_mode=config.IGNORE))
