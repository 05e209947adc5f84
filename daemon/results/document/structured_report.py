"""The structured report: an SR after TID 1500, complete, preliminary, unverified.

Its content says who observed (a device that is the model), which procedure and images, one
measurement group for each finding on each image, and the study's outcome in code and words.
"""

from functools import lru_cache

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage

from daemon.dicom.header import Header
from daemon.identity import MANUFACTURER, PRODUCT
from daemon.records import Category, ModelIdentity, StudyReading
from daemon.results.document import codes
from daemon.results.document.inheritance import coded, orders
from daemon.results.document.instance import Basis, ResultPlace, datetime_of, new_instance
from daemon.results.document.library import image_library
from daemon.results.document.measurements import groups_of
from daemon.results.document.references import evidence, hierarchy
from daemon.results.document.uids import device_uid
from daemon.results.result import ResultKind, ResultObject
from daemon.results.wording import impression

_CONTAINS = RelationshipTypeValues.CONTAINS
_IMAGING_MEASUREMENTS = "126010"
_SR_CLASSES = (Comprehensive3DSRStorage, ComprehensiveSRStorage)
_NAMES: dict[UID, tuple[str, ...]] = {
    Comprehensive3DSRStorage: (),
    ComprehensiveSRStorage: ("comprehensive",),
}
"""Content is the same in both classes, but an object of another class has another UID."""


def build_report(basis: Basis, sop_class: UID = Comprehensive3DSRStorage) -> ResultObject:
    """Return the report of a reading as Comprehensive 3D SR or as Comprehensive SR."""
    place = ResultPlace(ResultKind.REPORT, sop_class, "SR", "AI report", name=_NAMES[sop_class])
    document = new_instance(place, basis)
    _add_document(document, basis)
    document.update(_content(basis))
    document.ObservationDateTime = datetime_of(basis.when)
    return ResultObject(place.kind, document)


def _add_document(document: Dataset, basis: Basis) -> None:
    """Add the SR Document Series and General modules (PS3.3 C.17.1, C.17.2)."""
    header = basis.issued_under
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = coded(header.procedures)
    document.CompletionFlag = "COMPLETE"
    document.VerificationFlag = "UNVERIFIED"
    document.PreliminaryFlag = "PRELIMINARY"
    document.CodingSchemeIdentificationSequence = [codes.private_scheme_item()]
    if requests := orders(header):
        document.ReferencedRequestSequence = requests
    document.CurrentRequestedProcedureEvidenceSequence = evidence(header.study_uid, basis.headers)
    if reports := _predecessors(basis.reading, document.SOPClassUID):
        document.PredecessorDocumentsSequence = hierarchy(header.study_uid, reports)


def _predecessors(reading: StudyReading, sop_class: UID) -> list[tuple[str, str, str]]:
    """Return the replaced reports of this class, which the same destinations got; else all."""
    reports = [
        (one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid)
        for one in reading.supersedes
        if one.sop_class_uid in _SR_CLASSES
    ]
    return [one for one in reports if one[1] == sop_class] or reports


def _content(basis: Basis) -> Dataset:
    """Return the root of the content tree (TID 1500), its parts in the template's order."""
    report = MeasurementReport(
        observation_context=_observer(basis.reading.model),
        procedure_reported=_procedures(basis.issued_under),
        imaging_measurements=groups_of(basis),
        title=Code("126000", "DCM", "Imaging Measurement Report"),
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept.from_code(codes.ENGLISH)
        ),
    )
    root: Dataset = report[0]
    parts = []
    for part in root.ContentSequence:
        if part.ConceptNameCodeSequence[0].CodeValue == _IMAGING_MEASUREMENTS:
            parts.append(image_library(basis.headers))
        parts.append(part)
    root.ContentSequence = ContentSequence([*parts, _overall(basis.reading)])
    return root


@lru_cache(maxsize=8)
def _observer(model: ModelIdentity) -> ObservationContext:
    """Return the same items for every report of a model."""
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=CodedConcept("121007", "DCM", "Device"),
            observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                uid=device_uid(model.digest),
                name=PRODUCT,
                manufacturer_name=MANUFACTURER,
                model_name=f"{model.name} {model.version}",
            ),
        )
    )


def _procedures(header: Header) -> list[Code]:
    return [codes.code_of(one) for one in header.procedures] or [codes.ANY_RADIOGRAPHY]


def _overall(reading: StudyReading) -> ContainerContentItem:
    """Return the study's outcome: whether all went well, the category, the reason, one sentence."""
    coded = [
        (codes.SUMMARY_OF_ANALYSES, _summary_of_analyses(reading)),
        (codes.CATEGORY, codes.CATEGORIES[reading.category]),
    ]
    if reading.reason is not None:
        coded.append((codes.REASON, codes.REASONS[reading.reason]))
    container = ContainerContentItem(
        name=codes.QUALITATIVE_EVALUATIONS, relationship_type=_CONTAINS
    )
    container.ContentSequence = ContentSequence(
        [CodeContentItem(name, value, relationship_type=_CONTAINS) for name, value in coded]
        + [TextContentItem(codes.IMPRESSION, impression(reading), relationship_type=_CONTAINS)]
    )
    return container


def _summary_of_analyses(reading: StudyReading) -> Code:
    """Return the value of CID 6047 that fits."""
    if reading.category is Category.NOT_ANALYSED:
        return codes.NONE_SUCCEEDED
    complete = all(image.category is not Category.NOT_ANALYSED for image in reading.images)
    if reading.category is Category.NEGATIVE:
        return (
            codes.ALL_SUCCEEDED_WITHOUT_FINDINGS
            if complete
            else codes.NOT_ALL_SUCCEEDED_WITHOUT_FINDINGS
        )
    return codes.ALL_SUCCEEDED_WITH_FINDINGS if complete else codes.NOT_ALL_SUCCEEDED_WITH_FINDINGS
