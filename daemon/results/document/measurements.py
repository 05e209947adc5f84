"""The measurement groups of a report: one for each finding on each image (PS3.16 TID 1410, 1501).

Every group has a region, because some viewers open only reports whose groups can be drawn: the box
around the evidence where there is one, else the box around the whole image. The tracking
identifier repeats the category in words, for viewers that show nothing else.
"""

from functools import lru_cache
from typing import Required, TypedDict, Unpack

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.coding import Code

from daemon.dicom.header import Header
from daemon.identity import MANUFACTURER
from daemon.records import Category, FindingScore, ImageReading, ModelIdentity, Reason
from daemon.results.document import codes
from daemon.results.document.instance import Basis
from daemon.results.region import Box, size_of, whole
from daemon.results.wording import display, note_words, score_text
from model.findings import FINDINGS

Group = PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations

_TEXT_LIMIT = 1024


class _Content(TypedDict, total=False):
    """What both kinds of groups hold, by highdicom's names."""

    tracking_identifier: Required[TrackingIdentifier]
    finding_type: Code
    finding_sites: list[FindingSite] | None
    algorithm_id: AlgorithmIdentification
    qualitative_evaluations: list[QualitativeEvaluation]


def groups_of(basis: Basis) -> list[Group]:
    """Return the groups of all images, in their order; never empty."""
    groups: list[Group] = []
    for number, image, header in basis.numbered():
        if image.category is Category.NOT_ANALYSED:
            groups.append(_unread(basis, image, header, number))
        groups.extend(_scored(basis, image, header, score) for score in image.scores)
    return groups


def _algorithm(basis: Basis, score: FindingScore | None = None) -> AlgorithmIdentification:
    """Name the model, its exact build and what a score was judged by (TID 4019)."""
    reading = basis.reading
    judged_by: tuple[str, ...] = ()
    if score is not None:
        judged_by = (
            f"high-sensitivity operating point: {score.high_sensitivity:g}",
            f"high-specificity operating point: {score.high_specificity:g}",
            f"operating points: {_whose_points(basis, score)}",
        )
    return _identification(reading.model, f"settings digest {reading.settings_digest}", *judged_by)


@lru_cache(maxsize=64)
def _identification(model: ModelIdentity, *further: str) -> AlgorithmIdentification:
    """Return the same items for every report: building them is slow, and nobody changes them."""
    parameters = (
        f"model digest sha256 {model.digest}",
        f"calibration: {model.calibration}",
        f"execution provider: {model.provider}",
        *further,
    )
    return AlgorithmIdentification(
        name=model.name,
        version=model.version,
        manufacturer=MANUFACTURER,
        family=codes.ARTIFICIAL_INTELLIGENCE,
        parameters=[text[:_TEXT_LIMIT] for text in parameters],
    )


def _whose_points(basis: Basis, score: FindingScore) -> str:
    for points in basis.reading.site_points:
        if points.finding == score.finding:
            return f"set by the site: {points.reason}"
    return "of the model package"


def _scored(basis: Basis, image: ImageReading, header: Header, score: FindingScore) -> Group:
    probability = Measurement(
        name=codes.PROBABILITY,
        value=round(score.probability, 6),
        unit=codes.NO_UNITS,
        algorithm_id=_algorithm(basis, score),
    )
    label = f"{display(score.finding)} {score_text(score)} - {score.category}"
    group = _group(
        image,
        header,
        basis.regions.get((image.sop_instance_uid, score.finding)),
        tracking_identifier=TrackingIdentifier(
            uid=basis.uids.tracking(image.sop_instance_uid, score.finding), identifier=label
        ),
        finding_type=codes.code_of(FINDINGS[score.finding].code),
        finding_sites=_sites(header),
        qualitative_evaluations=[
            _evaluation(codes.NORMALITY, codes.NORMALITIES[score.category]),
            _evaluation(codes.CATEGORY, codes.CATEGORIES[score.category]),
        ],
    )
    group[0].ContentSequence.extend(probability)  # highdicom would first search all of its items
    if score.alone is not None:
        alone = f"Score of this image alone: {score.alone:.6f}"
        group[0].ContentSequence.append(_comment(alone))
    return group


def _unread(basis: Basis, image: ImageReading, header: Header, number: int) -> Group:
    reason = image.reason or Reason.UNREADABLE
    return _group(
        image,
        header,
        None,
        tracking_identifier=TrackingIdentifier(
            uid=basis.uids.tracking(image.sop_instance_uid, Category.NOT_ANALYSED),
            identifier=f"Image {number} - not analysed: {reason}",
        ),
        algorithm_id=_algorithm(basis),
        qualitative_evaluations=[
            _evaluation(codes.SUMMARY_OF_ANALYSES, codes.NONE_SUCCEEDED),
            _evaluation(codes.CATEGORY, codes.CATEGORIES[Category.NOT_ANALYSED]),
            _evaluation(codes.REASON, codes.REASONS[reason]),
        ],
    )


def _group(
    image: ImageReading, header: Header, found: Box | None, **content: Unpack[_Content]
) -> Group:
    """Return a group with a region, where the image's size is known, and what is noted of it."""
    reference = (header.sop_class_uid, header.sop_instance_uid)
    size = size_of(image)
    group: Group
    if size is None:
        sources = [SourceImageForMeasurementGroup(*reference)]
        group = MeasurementsAndQualitativeEvaluations(source_images=sources, **content)
    else:
        region = ImageRegion(
            graphic_type=GraphicTypeValues.POLYLINE,
            graphic_data=(found or whole(*size)).corners(),
            source_image=SourceImageForRegion(*reference),
        )
        group = PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **content)
    group[0].ContentSequence.extend(_comment(note_words(note)) for note in image.notes)
    return group


def _comment(words: str) -> TextContentItem:
    return TextContentItem(codes.COMMENT, words, relationship_type=RelationshipTypeValues.CONTAINS)


def _sites(header: Header) -> list[FindingSite] | None:
    """Return the part of the body that the header names, with its side; nothing is guessed."""
    named = codes.SITES.get(header.body_part)
    site = named or next(map(codes.code_of, header.regions), None)
    if site is None:
        return None
    return [_site(site, codes.SIDES.get(header.side or ""))]


@lru_cache(maxsize=64)
def _site(site: Code, side: Code | None) -> FindingSite:
    return FindingSite(anatomic_location=site, laterality=side)


@lru_cache(maxsize=64)
def _evaluation(name: Code, value: Code) -> QualitativeEvaluation:
    return QualitativeEvaluation(name, value)
