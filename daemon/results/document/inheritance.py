"""What a result takes over from a header: patient, study and order; nothing else.

`daemon.dicom.parse` has checked every value: what DICOM does not allow is not in a header.
Identifiers stand there to the letter, even where the source breaks a length limit: a shortened
identifier may be another patient's. Nothing is ever invented. Text leaves as UTF-8.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword

from daemon.dicom import values
from daemon.dicom.body_parts import UNPAIRED
from daemon.dicom.coded import CodedValue
from daemon.dicom.header import Header, Issuer, Order, Side
from daemon.results.document import codes

IDENTIFIERS = {
    "PatientID": "patient_id",
    "IssuerOfPatientID": "issuer_of_patient_id",
    "AccessionNumber": "accession_number",
    "StudyInstanceUID": "study_uid",
}
"""Say whose the study is: copied to the letter."""

_TYPE_2 = {
    "PatientName": "patient_name",
    "PatientBirthDate": "birth_date",
    "PatientSex": "sex",
    "StudyDate": "study_date",
    "StudyTime": "study_time",
    "StudyID": "study_id",
    "ReferringPhysicianName": "referring_physician",
}
_EVEN_WHEN_EMPTY = frozenset(("PatientID", "AccessionNumber", *_TYPE_2))
"""Type 2 of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1)."""

_COPIED = {
    **IDENTIFIERS,
    **_TYPE_2,
    "StudyDescription": "study_description",
    "PatientAge": "age",
    "TimezoneOffsetFromUTC": "timezone",
}


def inherit(target: Dataset, header: Header) -> None:
    """Write the Patient and General Study modules that a header tells."""
    target.SpecificCharacterSet = "ISO_IR 192"
    for keyword, field in _COPIED.items():
        text = str(getattr(header, field))
        if text or keyword in _EVEN_WHEN_EMPTY:
            put(target, keyword, text)
    if header.procedures:
        target.ProcedureCodeSequence = coded(header.procedures)
    for keyword, issuers in (
        ("IssuerOfAccessionNumberSequence", header.accession_issuers),
        ("IssuerOfPatientIDQualifiersSequence", header.patient_id_issuers),
    ):
        if issuers:
            setattr(target, keyword, [_issuer(issuers[0])])  # not more than one is allowed


def coded(found: Sequence[CodedValue]) -> list[Dataset]:
    """Return codes as items of a sequence."""
    return [codes.code_item(codes.code_of(one)) for one in found]


def orders(header: Header) -> list[Dataset]:
    """Return the order as items of a Referenced Request Sequence (PS3.3 C.17.2)."""
    return [_order(header, one) for one in header.orders]


def body_part(target: Dataset, header: Header, side: str | None) -> None:
    """Write body part and side into a series: 2C there, and wrong for unpaired parts (C.7.3.1)."""
    part = values.code_string(header.body_part)
    if part:
        target.BodyPartExamined = part
    if part not in UNPAIRED:
        target.Laterality = side or ""


def common_side(headers: Sequence[Header]) -> Side | None:
    """Return the side that all headers agree on."""
    sides = {header.side for header in headers}
    return sides.pop() if len(sides) == 1 else None


def local_time(moment: datetime, header: Header) -> datetime:
    """Return a moment in the zone in which the header's times are to be read.

    Without a TimezoneOffsetFromUTC that is the zone of this machine.
    """
    offset = header.timezone
    if not offset:
        return moment.astimezone()
    minutes = int(offset[:3]) * 60 + int(offset[0] + offset[3:5])
    return moment.astimezone(timezone(timedelta(minutes=minutes)))


def put(target: Dataset, keyword: str, text: str) -> None:
    """Write a text to the letter, even where it breaks the rules of its VR."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    vr = dictionary_VR(keyword)
    target.add(DataElement(tag, vr, text, validation_mode=config.IGNORE))


def _order(header: Header, order: Order) -> Dataset:
    item = Dataset()
    put(item, "StudyInstanceUID", header.study_uid)
    item.ReferencedStudySequence = []
    put(item, "AccessionNumber", order.accession_number or header.accession_number)
    put(item, "PlacerOrderNumberImagingServiceRequest", order.placer_number)
    put(item, "FillerOrderNumberImagingServiceRequest", order.filler_number)
    put(item, "RequestedProcedureID", order.procedure_id)
    put(item, "RequestedProcedureDescription", order.description)
    item.RequestedProcedureCodeSequence = coded(order.procedures)
    return item


def _issuer(issuer: Issuer) -> Dataset:
    item = Dataset()
    for keyword, text in (
        ("LocalNamespaceEntityID", issuer.local),
        ("UniversalEntityID", issuer.universal),
        ("UniversalEntityIDType", issuer.universal_type),
    ):
        if text:
            put(item, keyword, text)
    return item
