"""The rejection note: a Key Object Selection that says which results must not be used any more.

PS3.3 A.35.4, PS3.16 TID 2010 with a title of CID 7010; IHE Imaging Object Change Management.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from highdicom.sr import (
    CodeContentItem,
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    RelationshipTypeValues,
    TextContentItem,
    UIDRefContentItem,
)
from pydicom import Dataset, FileDataset
from pydicom.sr.coding import Code
from pydicom.uid import KeyObjectSelectionDocumentStorage, SecondaryCaptureImageStorage

from daemon.dicom.header import Header
from daemon.identity import MANUFACTURER, PRODUCT, VERSION, derived_uid
from daemon.records import PredecessorObject
from daemon.results.document import codes
from daemon.results.document.inheritance import inherit, local_time, orders
from daemon.results.document.instance import date_of, file_meta, time_of
from daemon.results.document.references import hierarchy
from daemon.results.result import ResultKind, ResultObject

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONTEXT = RelationshipTypeValues.HAS_OBS_CONTEXT


class Why(StrEnum):
    """Why results are withdrawn: the titles of CID 7010 that reject."""

    QUALITY = "quality"
    PATIENT_SAFETY = "patient-safety"
    WRONG_WORKLIST_ENTRY = "wrong-worklist-entry"


TITLES = {
    Why.QUALITY: Code("113001", "DCM", "Rejected for Quality Reasons"),
    Why.PATIENT_SAFETY: Code("113037", "DCM", "Rejected for Patient Safety Reasons"),
    Why.WRONG_WORKLIST_ENTRY: Code("113038", "DCM", "Incorrect Modality Worklist Entry"),
}


def rejection_note(
    header: Header,
    rejected: Sequence[PredecessorObject],
    why: Why,
    now: datetime,
    first_series_number: int,
) -> ResultObject:
    """Return the note that withdraws results.

    Parameters
    ----------
    header : Header
        Of one of the withdrawn results, or of an image they were made from: patient, study and
        order are its.
    rejected : sequence of PredecessorObject
        Everything that is withdrawn; not empty.
    why : Why
    now : datetime
    first_series_number : int
        As in the settings: the note's series follows those of all kinds of results.
    """
    key = (header.study_uid, why, *sorted(one.sop_instance_uid for one in rejected))
    uid = derived_uid("instance", ResultKind.WITHDRAWAL, *key)
    note = FileDataset("", {}, file_meta=file_meta(KeyObjectSelectionDocumentStorage, uid))
    note.preamble = b"\0" * 128
    inherit(note, header)
    note.SOPClassUID, note.SOPInstanceUID = KeyObjectSelectionDocumentStorage, uid
    note.Modality = "KO"
    note.SeriesInstanceUID = derived_uid("series", ResultKind.WITHDRAWAL, *key)
    note.SeriesNumber = first_series_number + len(ResultKind)
    note.SeriesDescription = "AI results withdrawn"
    note.InstanceNumber = 1
    note.ReferencedPerformedProcedureStepSequence = []
    note.Manufacturer, note.ManufacturerModelName = MANUFACTURER, PRODUCT
    note.SoftwareVersions = f"{PRODUCT} {VERSION}"
    when = local_time(now, header)
    note.SeriesDate = note.ContentDate = date_of(when)
    note.SeriesTime = note.ContentTime = time_of(when)
    if requests := orders(header):
        note.ReferencedRequestSequence = requests
    note.CurrentRequestedProcedureEvidenceSequence = hierarchy(
        header.study_uid,
        [(one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid) for one in rejected],
    )
    note.update(_content(rejected, why))
    return ResultObject(ResultKind.WITHDRAWAL, note)


def _content(rejected: Sequence[PredecessorObject], why: Why) -> Dataset:
    root = ContainerContentItem(name=TITLES[why], template_id="2010", is_content_continuous=False)
    observer = CodeContentItem(
        name=Code("121005", "DCM", "Observer Type"),
        value=Code("121007", "DCM", "Device"),
        relationship_type=_CONTEXT,
    )
    device = UIDRefContentItem(
        name=Code("121012", "DCM", "Device Observer UID"),
        value=derived_uid("observer", PRODUCT),
        relationship_type=_CONTEXT,
    )
    description = TextContentItem(
        name=Code("113012", "DCM", "Key Object Description"),
        value=f"AI results withdrawn: {TITLES[why].meaning}",
        relationship_type=_CONTAINS,
    )
    items: list[ContentItem] = [observer, device, description]
    root.ContentSequence = ContentSequence([*items, *map(_reference, rejected)])
    return root


def _reference(one: PredecessorObject) -> ContentItem:
    kind = (
        ImageContentItem
        if one.sop_class_uid == SecondaryCaptureImageStorage
        else CompositeContentItem
    )
    return kind(
        name=codes.SOURCE,
        referenced_sop_class_uid=one.sop_class_uid,
        referenced_sop_instance_uid=one.sop_instance_uid,
        relationship_type=_CONTAINS,
    )
