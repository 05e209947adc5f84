"""Pictures: nothing but the outline differs from the original, and bright means bright."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.records import Reason
from daemon.results.document.instance import Basis
from daemon.results.picture.annotate import annotated_copy
from daemon.results.picture.capture import build_captures
from daemon.results.picture.colour_map import TABLE
from daemon.results.picture.heat import MOST_OPAQUE, heat_map
from daemon.results.picture.summary import HEIGHT, WIDTH, summary
from daemon.results.picture.windowing import grey_picture
from daemon.results.region import evidence_on_source, region_of
from daemon.results.result import ResultKind
from daemon.settings import ReportSettings
from model.pixels import Radiograph
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import bump, image_reading, study_reading, unread


@pytest.fixture(scope="module")
def source():
    return dx(wrist("PA", spacing_mm=0.2, fracture=True))


def as_rgb(grey):
    return np.repeat(grey[:, :, None], 3, axis=2)


def basis_of(images, sources):
    return Basis.of(study_reading(images), ReportSettings())


def inside(drawn):
    pixels = drawn.sheet.pixels()
    rows, columns = slice(drawn.top, drawn.top + drawn.rows), slice(drawn.left, None)
    return pixels[rows, columns][:, : drawn.columns]


def test_a_negative_copy_is_the_windowed_original(source):
    image = image_reading(source, 0.1)
    drawn = annotated_copy(image, "1  PA", basis_of([image], [source]))
    assert np.array_equal(inside(drawn), as_rgb(grey_picture(image.radiograph)))


@pytest.mark.parametrize("probability", [0.9, 0.5])
def test_a_copy_differs_from_the_original_on_the_outline_only(source, probability):
    image = image_reading(source, probability)
    drawn = annotated_copy(image, "1  PA", basis_of([image], [source]))
    changed = (inside(drawn) != as_rgb(grey_picture(image.radiograph))).any(axis=2)
    assert changed.any()
    box, reach = region_of(image, "fracture"), 9
    rows, columns = np.nonzero(changed)
    near_x = np.minimum(abs(columns - box.left), abs(columns - box.right)) <= reach
    near_y = np.minimum(abs(rows - box.top), abs(rows - box.bottom)) <= reach
    assert (near_x | near_y).all()


def test_doubt_is_dotted_and_positive_is_solid(source):
    def coloured(probability):
        image = image_reading(source, probability)
        drawn = annotated_copy(image, "", basis_of([image], [source]))
        return (inside(drawn) != as_rgb(grey_picture(image.radiograph))).any(axis=2).sum()

    assert coloured(0.5) < 0.8 * coloured(0.9)


def test_the_region_lies_where_the_evidence_is(source):
    image = image_reading(source, 0.9, bump(0.5, 0.75))
    box = region_of(image, "fracture")
    rows, columns = image.radiograph.values.shape
    assert (box.left + box.right) / 2 == pytest.approx(columns / 2, abs=columns * 0.03)
    assert (box.top + box.bottom) / 2 == pytest.approx(rows * 0.75, abs=rows * 0.03)


def test_evidence_elsewhere_does_not_widen_the_region(source):
    one = region_of(image_reading(source, 0.9, bump(0.5, 0.75)), "fracture")
    both = bump(0.5, 0.75) + 0.8 * bump(0.5, 0.2)
    assert region_of(image_reading(source, 0.9, both), "fracture").top == pytest.approx(
        one.top, rel=0.05
    )


def test_the_heat_map_is_hottest_on_the_target_and_never_covers_the_image(source):
    image = image_reading(source, 0.9, bump(0.5, 0.75))
    drawn = heat_map(image, image.scores[0], "", basis_of([image], [source]))
    evidence = evidence_on_source(image, "fracture")
    row, column = np.unravel_index(evidence.argmax(), evidence.shape)
    grey = as_rgb(grey_picture(image.radiograph)).astype(float)
    expected = (1 - MOST_OPAQUE) * grey[row, column] + MOST_OPAQUE * TABLE[-1]
    assert np.allclose(inside(drawn)[row, column], expected, atol=1.0)
    far = evidence < 1e-3
    assert np.abs(inside(drawn)[far].astype(float) - grey[far]).max() <= 1.0


def test_a_heat_map_has_no_more_pixels_than_a_monitor_and_says_how_large_they_are():
    source = dx(wrist("PA", spacing_mm=0.4).repeat(8, axis=0).repeat(8, axis=1))
    source.PixelSpacing = [0.05, 0.05]
    image = image_reading(source, 0.9, bump(0.5, 0.75))
    copy, heat = (
        one.dataset
        for one in build_captures(basis_of([image], [source]))
        if one.kind in (ResultKind.ANNOTATED, ResultKind.HEAT_MAP)
    )
    assert copy.Rows > source.Rows > 2560 >= heat.Rows
    assert copy.PixelSpacing == [0.05, 0.05]
    assert heat.PixelSpacing == [0.1, 0.1]
    drawn = heat_map(image, image.scores[0], "", basis_of([image], [source]))
    redder = inside(drawn).astype(int) @ np.array([1, 0, -1])
    row, column = np.argwhere(redder == redder.max()).mean(axis=0)
    assert row / drawn.rows == pytest.approx(0.75, abs=0.03)
    assert column / drawn.columns == pytest.approx(0.5, abs=0.03)


def test_colours_get_lighter_step_by_step():
    lightness = TABLE @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()


def test_bones_are_bright_in_both_polarities(source):
    values = source.pixel_array.astype(np.float32)
    plain = grey_picture(Radiograph(values))
    inverted = grey_picture(Radiograph(values.max() - values, inverted=True))
    assert np.abs(plain.astype(int) - inverted.astype(int)).max() <= 1


def test_an_image_without_contrast_is_drawn_all_the_same():
    assert grey_picture(Radiograph(np.full((4, 4), 7, np.float32))).max() == 0


@pytest.mark.parametrize("count", [1, 2, 4, 6, 9])
def test_the_summary_takes_any_number_of_images(source, count):
    images = [image_reading(source, 0.9) for _ in range(count)]
    assert summary(basis_of(images, [source] * count)).pixels().shape == (HEIGHT, WIDTH, 3)


def test_the_summary_shows_images_that_were_not_analysed(source):
    image = unread(source, Reason.UNREADABLE)
    assert summary(basis_of([image], [source])).pixels().shape == (HEIGHT, WIDTH, 3)


def test_numbers_of_several_findings_stand_beside_the_image(source):
    first = image_reading(source, 0.9, bump(0.6, 0.5))
    second = image_reading(source, 0.8, bump(0.4, 0.5), "foreignbody")
    image = replace(
        first,
        scores=first.scores + second.scores,
        evidence={**first.evidence, **second.evidence},
    )
    drawn = annotated_copy(image, "", basis_of([image], [source]))
    pixels = drawn.sheet.pixels()
    height = slice(drawn.top, drawn.top + drawn.rows)
    assert pixels[height, : drawn.left].any()
    assert pixels[height, drawn.left + drawn.columns :].any()
    changed = (inside(drawn) != as_rgb(grey_picture(image.radiograph))).any(axis=2)
    boxes = [region_of(image, finding) for finding in ("fracture", "foreignbody")]
    for box in boxes:  # nothing is written within an outline
        middle = slice(int(box.top) + 12, int((box.top + box.bottom) / 2) - 12)
        assert not changed[middle, int(box.left) + 12 : int(box.right) - 12].any()
