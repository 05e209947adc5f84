"""The outcome rules: from scores to exactly one category, for a finding, an image and a study."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from daemon.errors import Misconfigured
from daemon.reasons import worst as worst
from daemon.records import Category, FindingScore, ImageReading, Note, Reason
from daemon.settings import OperatingPoints
from model.chain_package import Fusion
from model.composition import fuse
from model.package import FindingSpec

_REASONS_BY_WEIGHT = (
    Reason.IDENTITY_CONFLICT,
    Reason.CONTENT_CHANGED,
    Reason.HELD_BY_RULE,
    Reason.FAILED_REPEATEDLY,
    Reason.INVALID_RESULT,
    Reason.VIEWS_MISSING,
    Reason.MODEL_OFFLINE,
    Reason.ON_ANOTHER_HOST,
    Reason.UNREADABLE,
    Reason.TOO_LARGE,
    Reason.LANDMARKS_MISSING,
    Reason.REGION_OUTSIDE,
    Reason.NO_SPACING,
    Reason.FOR_PROCESSING,
    Reason.AGE_OUT_OF_RANGE,
    Reason.OTHER_BODY_PART,
    Reason.VIEW_NOT_READ,
    Reason.NO_MODEL,
    Reason.NOT_ASKED,
    Reason.QUALITY_CONTROL,
    Reason.TOO_SMALL,
    Reason.PRESENTATION_READ,
    Reason.NOT_A_RADIOGRAPH,
)
"""Which reason a study reports when its images differ: what a person can act on comes first."""


def judge(spec: FindingSpec, probability: float) -> FindingScore:
    """Compare a calibrated probability in [0, 1] with the finding's two operating points."""
    return FindingScore(
        finding=spec.name,
        probability=probability,
        category=categorise(probability, spec.high_sensitivity, spec.high_specificity),
        high_sensitivity=spec.high_sensitivity,
        high_specificity=spec.high_specificity,
    )


def categorise(probability: float, high_sensitivity: float, high_specificity: float) -> Category:
    """Return the category of a probability between two operating points, all in [0, 1]."""
    if probability >= high_specificity:
        return Category.POSITIVE
    return Category.DOUBT if probability >= high_sensitivity else Category.NEGATIVE


def at_site(
    specs: Sequence[FindingSpec], points: Sequence[OperatingPoints]
) -> tuple[FindingSpec, ...]:
    """Put a site's operating points in place of the model package's.

    Raises
    ------
    Misconfigured
        A finding is none of the package's or named twice, or its points are in the wrong order.
    """
    own = {one.finding: one for one in points}
    if unknown := sorted(own.keys() - {spec.name for spec in specs}):
        raise Misconfigured(
            f"operating_points: the model package does not report {', '.join(unknown)}"
        )
    if len(own) < len(points):
        raise Misconfigured("operating_points: name every finding once only")
    return tuple(_with_points(spec, own.get(spec.name)) for spec in specs)


def _with_points(spec: FindingSpec, points: OperatingPoints | None) -> FindingSpec:
    if points is None:
        return spec
    values = points.model_dump(include={"high_sensitivity", "high_specificity"})
    if points.high_sensitivity > points.high_specificity:
        raise Misconfigured(
            f"operating_points: {spec.name}: high_sensitivity must not exceed high_specificity"
        )
    return spec.model_copy(update=values)


def fused(images: Sequence[ImageReading], fusion: Fusion) -> list[ImageReading]:
    """Give all views of one side that are fused one score for each finding, and judge it.

    Images whose headers state no side count as one side. A side of which one view only was analysed
    keeps that view's scores.
    """
    made = list(images)
    sides: dict[str | None, list[int]] = defaultdict(list)
    for place, image in enumerate(images):
        if image.scores and image.header is not None and image.header.view in fusion.views:
            sides[image.header.side].append(place)
    for places in sides.values():
        if len({_view_of(images[place]) for place in places}) > 1:
            together = [images[place] for place in places]
            for place in places:
                made[place] = _together(images[place], together, fusion)
    return made


def _view_of(image: ImageReading) -> str:
    return (image.header.view if image.header is not None else None) or ""


def _together(image: ImageReading, others: Sequence[ImageReading], fusion: Fusion) -> ImageReading:
    """Return an image of several with the scores of all of them."""
    scores = []
    for own in image.scores:
        views: dict[str, list[float]] = defaultdict(list)
        for other in others:
            found = [one.probability for one in other.scores if one.finding == own.finding]
            views[_view_of(other)] += found
        score = fuse(views, fusion.rule)
        category = categorise(score, own.high_sensitivity, own.high_specificity)
        scores.append(replace(own, probability=score, category=category, alone=own.probability))
    return replace(
        image,
        category=worst([score.category for score in scores]),
        scores=tuple(scores),
        notes=(*image.notes, Note.VIEWS_FUSED),
    )


def of_study(images: Sequence[ImageReading]) -> tuple[Category, Reason | None]:
    """Return a study's category, and the reason when none of its images was analysed.

    Images that were analysed decide; the others stay listed with their own reason.
    """
    category = worst([image.category for image in images])
    if category is not Category.NOT_ANALYSED:
        return category, None
    reasons = {image.reason for image in images}
    weighed = (reason for reason in _REASONS_BY_WEIGHT if reason in reasons)
    return category, next(weighed, Reason.NOT_A_RADIOGRAPH)
