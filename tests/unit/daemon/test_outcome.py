"""From scores to exactly one category."""

import pytest

from daemon import outcome
from daemon.errors import Misconfigured
from daemon.records import Category, ImageReading, Reason
from daemon.settings import OperatingPoints
from model.package import FindingSpec

SPEC = FindingSpec(name="fracture", class_index=1, high_sensitivity=0.3, high_specificity=0.7)


@pytest.mark.parametrize(
    ("probability", "category"),
    [
        (0.0, Category.NEGATIVE),
        (0.299, Category.NEGATIVE),
        (0.3, Category.DOUBT),
        (0.699, Category.DOUBT),
        (0.7, Category.POSITIVE),
        (1.0, Category.POSITIVE),
    ],
)
def test_two_operating_points_make_three_categories(probability, category):
    score = outcome.judge(SPEC, probability)
    assert score.category is category
    assert (score.high_sensitivity, score.high_specificity) == (0.3, 0.7)


def image(category, reason=None):
    return ImageReading("1.2", category, reason)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([image(Category.NEGATIVE), image(Category.POSITIVE)], (Category.POSITIVE, None)),
        ([image(Category.NEGATIVE), image(Category.DOUBT)], (Category.DOUBT, None)),
        (
            [image(Category.NEGATIVE), image(Category.NOT_ANALYSED, Reason.UNREADABLE)],
            (Category.NEGATIVE, None),
        ),
        (
            [
                image(Category.NOT_ANALYSED, Reason.OTHER_BODY_PART),
                image(Category.NOT_ANALYSED, Reason.UNREADABLE),
            ],
            (Category.NOT_ANALYSED, Reason.UNREADABLE),
        ),
        ([], (Category.NOT_ANALYSED, Reason.NOT_A_RADIOGRAPH)),
    ],
)
def test_a_study_has_one_category_and_a_reason_when_nothing_was_read(images, expected):
    assert outcome.of_study(images) == expected


def test_every_reason_has_a_weight():
    assert set(outcome._REASONS_BY_WEIGHT) == set(Reason)


def points(low=0.2, high=0.6, finding="fracture"):
    return OperatingPoints(
        finding=finding, high_sensitivity=low, high_specificity=high, reason="tests"
    )


def test_a_site_sets_its_own_operating_points():
    [spec] = outcome.at_site([SPEC], [points()])
    assert outcome.judge(spec, 0.65).category is Category.POSITIVE
    assert outcome.judge(spec, 0.25).category is Category.DOUBT
    assert outcome.at_site([SPEC], []) == (SPEC,)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([points(finding="metal")], "does not report metal"),
        ([points(), points()], "once only"),
        ([points(0.7, 0.3)], "must not exceed"),
    ],
)
def test_operating_points_that_cannot_be_meant_stop_the_start(wrong, words):
    with pytest.raises(Misconfigured, match=words):
        outcome.at_site([SPEC], wrong)
