"""From scores to exactly one category."""

import pytest

from daemon import outcome
from daemon.dicom.header import Header
from daemon.errors import Misconfigured
from daemon.records import Category, ImageReading, Note, Reason
from daemon.settings import OperatingPoints
from model.chain_package import Fusion
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


def seen(uid, view, probability, side="L"):
    score = outcome.judge(SPEC, probability)
    header = Header("1.3", uid, "1.2", view=view, side=side)
    return ImageReading(uid, score.category, scores=(score,), header=header)


MEAN = Fusion(views=("PA", "LAT"), rule="mean")


def fused(*images):
    made = outcome.fused(images, MEAN)
    return [one.scores[0].probability if one.scores else None for one in made]


def test_the_views_of_a_side_have_one_score_and_the_study_its_category():
    images = [seen("1", "PA", 0.8), seen("2", "LAT", 0.2)]
    made = outcome.fused(images, MEAN)
    assert [one.scores[0].probability for one in made] == [0.5, 0.5]
    assert [one.scores[0].alone for one in made] == [0.8, 0.2]
    assert [one.category for one in made] == [Category.DOUBT] * 2
    assert outcome.of_study(made) == (Category.DOUBT, None)
    assert all(one.notes == (Note.VIEWS_FUSED,) for one in made)


def test_sides_views_that_are_not_fused_and_images_without_scores_stay_apart():
    other = ImageReading(
        "5", Category.NOT_ANALYSED, Reason.UNREADABLE, header=Header("1.3", "5", "1.2", view="LAT")
    )
    images = [
        seen("1", "PA", 0.8),
        seen("2", "LAT", 0.2, "R"),
        seen("3", "OBL", 0.1),
        seen("4", "PA", 0.6),
        other,
    ]
    assert fused(*images) == [0.8, 0.2, 0.1, 0.6, None]


def test_the_highest_image_of_a_view_counts_and_no_side_is_one_side():
    images = [
        seen("1", "PA", 0.1, None),
        seen("2", "PA", 0.9, None),
        seen("3", "LAT", 0.5, None),
    ]
    assert fused(*images) == pytest.approx([0.7] * 3)
