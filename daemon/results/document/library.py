"""The Image Library of a report: which images it is about (PS3.16 TID 1600 to 1603)."""

from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
)
from pydicom.sr.coding import Code

from daemon.dicom.header import Header
from daemon.results.document import codes

_CONTAINS = RelationshipTypeValues.CONTAINS
_ACQUISITION = RelationshipTypeValues.HAS_ACQ_CONTEXT

_MODALITIES = {
    "CR": Code("CR", "DCM", "Computed Radiography"),
    "DX": Code("DX", "DCM", "Digital Radiography"),
}


def image_library(headers: Sequence[Header]) -> ContainerContentItem:
    """Return the library of all images, analysed or not."""
    group = _container(Code("126200", "DCM", "Image Library Group"))
    group.ContentSequence.extend([_entry(header) for header in headers])
    library = _container(Code("111028", "DCM", "Image Library"))
    library.ContentSequence.append(group)
    return library


def _container(name: Code) -> ContainerContentItem:
    container = ContainerContentItem(name=name, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence()
    return container


def _entry(header: Header) -> ImageContentItem:
    entry = ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=header.sop_class_uid,
        referenced_sop_instance_uid=header.sop_instance_uid,
        relationship_type=_CONTAINS,
    )
    descriptors = _coded_descriptors(header) + _measured_descriptors(header)
    if descriptors:
        entry.ContentSequence = ContentSequence(descriptors)
    return entry


def _coded_descriptors(header: Header) -> list[ContentItem]:
    view = header.view_code
    said = {
        Code("121139", "DCM", "Modality"): _MODALITIES.get(header.modality),
        Code("111027", "DCM", "Image Laterality"): codes.SIDES.get(header.side or ""),
        Code("111031", "DCM", "Image View"): codes.code_of(view) if view else None,
    }
    return [
        CodeContentItem(name=name, value=value, relationship_type=_ACQUISITION)
        for name, value in said.items()
        if value is not None
    ]


def _measured_descriptors(header: Header) -> list[ContentItem]:
    down, across = header.imager_spacing or (None, None)
    said = (
        (Code("110910", "DCM", "Pixel Data Rows"), header.rows, codes.PIXELS),
        (Code("110911", "DCM", "Pixel Data Columns"), header.columns, codes.PIXELS),
        (Code("111026", "DCM", "Horizontal Pixel Spacing"), across, codes.MILLIMETRE),
        (Code("111066", "DCM", "Vertical Pixel Spacing"), down, codes.MILLIMETRE),
    )
    return [
        NumContentItem(name=name, value=value, unit=unit, relationship_type=_ACQUISITION)
        for name, value, unit in said
        if value
    ]
