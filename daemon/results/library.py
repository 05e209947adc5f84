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
from pydicom import Dataset
from pydicom.sr.coding import Code

from daemon.results import codes
from daemon.results.header import laterality_of, text_of

_CONTAINS = RelationshipTypeValues.CONTAINS
_ACQUISITION = RelationshipTypeValues.HAS_ACQ_CONTEXT

_MODALITIES = {
    "CR": Code("CR", "DCM", "Computed Radiography"),
    "DX": Code("DX", "DCM", "Digital Radiography"),
}
_VIEWS = {
    "PA": Code("272479007", "SCT", "postero-anterior"),
    "AP": Code("399348003", "SCT", "antero-posterior"),
    "LL": Code("399173006", "SCT", "left lateral"),
    "RL": Code("399198007", "SCT", "right lateral"),
}
"""CID 4010, for the values of ViewPosition that name one view without doubt."""


def image_library(sources: Sequence[Dataset]) -> ContainerContentItem:
    """Return the library of all images, analysed or not."""
    group = _container(Code("126200", "DCM", "Image Library Group"))
    group.ContentSequence.extend([_entry(source) for source in sources])
    library = _container(Code("111028", "DCM", "Image Library"))
    library.ContentSequence.append(group)
    return library


def _container(name: Code) -> ContainerContentItem:
    container = ContainerContentItem(name=name, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence()
    return container


def _entry(source: Dataset) -> ImageContentItem:
    entry = ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=source.SOPClassUID,
        referenced_sop_instance_uid=source.SOPInstanceUID,
        relationship_type=_CONTAINS,
    )
    descriptors = _coded_descriptors(source) + _measured_descriptors(source)
    if descriptors:
        entry.ContentSequence = ContentSequence(descriptors)
    return entry


def _coded_descriptors(source: Dataset) -> list[ContentItem]:
    said = {
        Code("121139", "DCM", "Modality"): _MODALITIES.get(text_of(source, "Modality")),
        Code("111027", "DCM", "Image Laterality"): codes.SIDES.get(laterality_of(source) or ""),
        Code("111031", "DCM", "Image View"): _VIEWS.get(text_of(source, "ViewPosition").upper()),
    }
    return [
        CodeContentItem(name=name, value=value, relationship_type=_ACQUISITION)
        for name, value in said.items()
        if value is not None
    ]


def _measured_descriptors(source: Dataset) -> list[ContentItem]:
    down, across = source.get("ImagerPixelSpacing") or (None, None)
    said = (
        (Code("110910", "DCM", "Pixel Data Rows"), source.get("Rows"), codes.PIXELS),
        (Code("110911", "DCM", "Pixel Data Columns"), source.get("Columns"), codes.PIXELS),
        (Code("111026", "DCM", "Horizontal Pixel Spacing"), across, codes.MILLIMETRE),
        (Code("111066", "DCM", "Vertical Pixel Spacing"), down, codes.MILLIMETRE),
    )
    return [
        NumContentItem(name=name, value=value, unit=unit, relationship_type=_ACQUISITION)
        for name, value, unit in said
        if value
    ]
