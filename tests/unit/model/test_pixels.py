"""The pixel contract."""

import numpy as np
import pytest

from model.pixels import PixelProfile, Placement, Radiograph, prepare, to_unit

PROFILE = PixelProfile(size=64)


def picture(rows=120, columns=80):
    y, x = np.mgrid[0:rows, 0:columns]
    return (100 + 3 * x + 2 * y + 40 * np.sin(x / 5)).astype(np.float32)


def test_every_affine_change_of_the_values_gives_the_same_unit_image():
    plain, _ = to_unit(Radiograph(picture()), PROFILE)
    scaled, _ = to_unit(Radiograph(picture() * 16 - 1024), PROFILE)
    assert np.abs(plain - scaled).max() < 1e-5


def test_monochrome1_is_turned_bright_side_up():
    plain, _ = to_unit(Radiograph(picture()), PROFILE)
    turned, _ = to_unit(Radiograph(4095 - picture(), inverted=True), PROFILE)
    assert np.abs(plain - turned).max() < 1e-5


def test_pixels_twice_as_high_as_wide_are_made_square():
    square, _ = to_unit(Radiograph(picture(120, 80)), PROFILE)
    halved = picture(120, 80).reshape(60, 2, 80).mean(axis=1)
    by_spacing, _ = to_unit(Radiograph(halved, spacing_mm=(0.4, 0.2)), PROFILE)
    by_aspect, _ = to_unit(Radiograph(halved, aspect=2.0), PROFILE)
    assert np.array_equal(by_spacing, by_aspect)
    assert np.abs(square - by_spacing).max() < 0.05


def test_padding_takes_the_darkest_value_of_the_picture():
    values = picture()
    padding = np.zeros(values.shape, dtype=bool)
    padding[:20] = True
    values[padding] = 60000
    unit, placement = to_unit(Radiograph(values, padding=padding), PROFILE)
    top = int(placement.offset_y)
    assert unit[top : top + 8].max() == 0.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((5, 5, 3), np.float32), "two axes"),
        (np.full((5, 5), np.nan, np.float32), "finite"),
        (np.full((50, 50), 7, np.float32), "no contrast"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_fault(values, words):
    with pytest.raises(ValueError, match=words):
        to_unit(Radiograph(values), PROFILE)


def test_an_image_of_padding_only_is_refused():
    with pytest.raises(ValueError, match="padding"):
        to_unit(Radiograph(picture(), padding=np.ones((120, 80), dtype=bool)), PROFILE)


def test_the_input_has_three_equal_normalised_channels():
    tensor, _ = prepare(Radiograph(picture()), PROFILE)
    assert tensor.shape == (3, 64, 64)
    assert tensor.dtype == np.float32
    restored = tensor * np.reshape(PROFILE.std, (3, 1, 1)) + np.reshape(PROFILE.mean, (3, 1, 1))
    assert np.abs(restored[0] - restored[2]).max() < 1e-5
    assert restored.min() > -1e-5
    assert restored.max() < 1 + 1e-5


def test_points_go_back_to_where_they_came_from():
    placement = Placement(0.5, 0.5, 12.0, 0.0, rows=128, columns=80)
    source = np.array([[10.0, 20.0], [79.0, 127.0]])
    there = source * 0.5 + [12.0, 0.0]
    assert np.allclose(placement.to_source(there), source)
    assert np.allclose(placement.to_source(np.array([[-5.0, -5.0]])), [[0.0, 0.0]])


def test_a_hot_spot_of_the_map_lies_on_the_same_anatomy_in_the_source():
    values = np.zeros((120, 80), np.float32)
    values[90:96, 20:26] = 1000
    unit, placement = to_unit(Radiograph(values), PixelProfile(size=96, high_percentile=100))
    evidence = unit.reshape(24, 4, 24, 4).mean(axis=(1, 3))
    mapped = placement.map_to_source(evidence, 96)
    assert mapped.shape == values.shape
    row, column = np.unravel_index(mapped.argmax(), mapped.shape)
    assert abs(row - 93) <= 3
    assert abs(column - 23) <= 3
