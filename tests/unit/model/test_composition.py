"""Landmarks, crops in millimetres, means and fusion: known values, and the way back is exact."""

import numpy as np
import pytest

from model.composition import (
    Crop,
    Reference,
    centres_of_mass,
    fuse,
    mean_maps,
    mean_of_members,
    on_source,
    peaks,
    pixel_mm,
    place_crop,
)
from model.cropping import CropPlacement, crop_unit
from model.pixels import PixelProfile, Placement, Radiograph

PROFILE = PixelProfile(size=64, low_percentile=0, high_percentile=100)


def gaussian(x, y, rows=24, columns=32, width=1.7):
    """Draw a Gaussian around (x, y), in cells from the outer corner."""
    down, across = np.mgrid[0:rows, 0:columns] + 0.5
    return np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * width**2)).astype(np.float32)


@pytest.mark.parametrize(("x", "y"), [(10.5, 7.5), (10.8, 7.1), (20.02, 15.97)])
def test_the_peak_of_a_gaussian_is_found_between_the_cells(x, y):
    places, heights = peaks(gaussian(x, y)[None] * 0.5)
    assert places[0] * [32, 24] == pytest.approx([x, y], abs=1e-4)
    assert 0.4 < heights[0] <= 0.5


def test_a_peak_at_the_edge_or_of_one_cell_is_that_cell():
    heat = np.zeros((2, 4, 8), np.float32)
    heat[0, 0, 7] = heat[1, 2, 3] = 1.0
    assert peaks(heat)[0] * [8, 4] == pytest.approx(np.array([[7.5, 0.5], [3.5, 2.5]]))


def test_a_map_that_is_not_finite_has_no_peak():
    heat = np.ones((1, 4, 4), np.float32)
    heat[0, 1, 1] = np.nan
    places, heights = peaks(heat)
    assert np.isnan(places).all()
    assert np.isnan(heights).all()


def test_the_centre_of_mass_lies_between_two_equal_cells():
    heat = np.zeros((1, 4, 8), np.float32)
    heat[0, 1, 1] = heat[0, 1, 4] = 2.0
    assert centres_of_mass(heat)[0] * [8, 4] == pytest.approx([3.0, 1.5])


def test_a_landmark_in_the_black_bars_is_on_no_place_of_the_image():
    placement = Placement(0.5, 0.5, offset_x=16.0, offset_y=0.0, rows=128, columns=64)
    found = on_source(np.array([[0.5, 0.25], [0.1, 0.5]]), placement, 64)
    assert found[0] == pytest.approx([32.0, 32.0])
    assert np.isnan(found[1]).all()


def placed(crop, landmarks, pixel=(0.5, 0.5), shape=(400, 300), size=64):
    return place_crop(crop, np.array(landmarks, float), pixel, shape, size)


CROPS = [
    (Crop(size_mm=40, centre=(0,)), (0.5, 0.5)),
    (Crop(size_mm=70, centre=(0, 1), offset_mm=(3, 15)), (0.2, 0.4)),
    (Crop(size_mm=25, centre=(1,), offset_mm=(-4, 9), axis=(0, 1)), (0.31, 0.17)),
]


@pytest.mark.parametrize(("crop", "pixel"), CROPS)
def test_the_way_back_is_the_inverse(crop, pixel):
    placement = placed(crop, [(120, 90), (150, 200)], pixel)
    there = np.random.default_rng(1).uniform(-20, 90, (50, 2))
    back = placement.to_input(placement.unclipped(there))
    assert np.abs(back - there).max() < 1e-9


@pytest.mark.parametrize(("crop", "pixel"), CROPS)
def test_a_crop_is_a_square_of_its_millimetres(crop, pixel):
    placement = placed(crop, [(120, 90), (150, 200)], pixel)
    corners = placement.unclipped(np.array([(0, 0), (64, 0), (64, 64), (0, 64)], float))
    in_mm = corners * [pixel[1], pixel[0]]
    sides = np.roll(in_mm, -1, axis=0) - in_mm
    assert np.hypot(*sides.T) == pytest.approx([crop.size_mm] * 4)
    assert np.dot(sides[0], sides[1]) == pytest.approx(0, abs=1e-9)
    assert np.linalg.det(sides[:2]) > 0, "it is not mirrored"


def test_an_upright_crop_has_its_offset_in_millimetres():
    placement = placed(Crop(size_mm=32, centre=(0, 1), offset_mm=(2, 6)), [(100, 80), (140, 120)])
    middle = placement.unclipped(np.array([[32.0, 32.0]]))
    assert middle[0] == pytest.approx([120 + 4, 100 + 12])


def test_the_axis_points_downwards_in_the_crop():
    crop = Crop(size_mm=64, centre=(0,), axis=(0, 1))
    placement = placed(crop, [(100, 100), (140, 100)], pixel=(1.0, 1.0))
    seen = placement.to_input(np.array([(100, 100), (140, 100), (100, 90)], float))
    assert seen == pytest.approx(np.array([(32, 32), (32, 72), (42, 32)]))


def test_an_axis_of_no_length_has_no_direction():
    with pytest.raises(ValueError, match="one place"):
        placed(Crop(size_mm=10, centre=(0,), axis=(0, 1)), [(5, 5), (5, 5)])


def test_the_share_on_the_image_is_counted():
    crop = Crop(size_mm=50, centre=(0,))
    assert placed(crop, [(150, 200)]).share_inside(64) == 1.0
    assert placed(crop, [(0, 200)]).share_inside(64) == pytest.approx(0.5, abs=0.02)
    assert placed(crop, [(300, 400)]).share_inside(64) == pytest.approx(0.25, abs=0.02)


def test_the_scale_comes_from_the_spacing_else_from_two_landmarks_else_from_nowhere():
    landmarks = np.array([(10.0, 10.0), (13.0, 12.0)])
    reference = Reference(landmarks=(0, 1), length_mm=10)
    values = np.zeros((8, 8), np.float32)
    known = Radiograph(values, spacing_mm=(0.2, 0.1))
    assert pixel_mm(known, landmarks, reference) == (0.2, 0.1)
    wide = Radiograph(values, aspect=2.0)
    assert pixel_mm(wide, landmarks, reference) == pytest.approx((4.0, 2.0))
    assert pixel_mm(wide, landmarks, None) is None
    assert pixel_mm(wide, landmarks[[0, 0]], reference) is None


def phantom(pixel, degrees, at=(60.0, 70.0), size_mm=(150.0, 130.0)):
    """Draw a bright arrow in mm: a bar of 20 x 4 mm that points away from `at`, a square behind."""
    rows, columns = round(size_mm[0] / pixel[0]), round(size_mm[1] / pixel[1])
    y, x = np.mgrid[0:rows, 0:columns] + 0.5
    x, y = x * pixel[1] - at[0], y * pixel[0] - at[1]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    along, aside = x * s + y * c, x * c - y * s
    bar = (np.abs(along - 10) <= 10) & (np.abs(aside) <= 2)
    square = (np.abs(along + 8) <= 2) & (np.abs(aside - 14) <= 2)
    return (bar | square).astype(np.float32) * 100 + 10


@pytest.mark.parametrize("degrees", [0, 30, 90, 205])
@pytest.mark.parametrize("pixel", [(0.1, 0.1), (0.4, 0.4), (0.3, 0.15), (1.0, 1.0)])
def test_a_phantom_in_the_crop_has_its_size_and_stands_upright(pixel, degrees):
    at = np.array([60.0, 70.0])
    way = np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    width = np.array([pixel[1], pixel[0]])
    landmarks = np.array([at, at + 20 * way]) / width
    values = phantom(pixel, degrees)
    crop = Crop(size_mm=64, centre=(0,), axis=(0, 1))
    placement = place_crop(crop, landmarks, pixel, values.shape, 64)
    unit = crop_unit(Radiograph(values, spacing_mm=pixel), placement, PROFILE)
    assert unit[:, 24:40].sum() == pytest.approx(80, rel=0.06), "the bar has 20 x 4 mm"
    y, x = np.mgrid[0:64, 0:64] + 0.5
    bar, rest = unit * (np.abs(x - 32) < 8), unit * (np.abs(x - 32) > 5)
    assert [(bar * x).sum() / bar.sum(), (bar * y).sum() / bar.sum()] == pytest.approx(
        [32, 42], abs=0.25
    )
    assert [(rest * x).sum() / rest.sum(), (rest * y).sum() / rest.sum()] == pytest.approx(
        [46, 24], abs=0.3
    )


def test_shrinking_averages_areas_and_loses_no_line():
    values = np.zeros((640, 640), np.float32)
    values[:, 100] = 1.0
    placement = CropPlacement((0, 0), (10, 0), (0, 10), 640, 640)
    unit = crop_unit(Radiograph(values), placement, PROFILE)
    assert np.flatnonzero(unit[20]).tolist() == [10]


def test_beyond_the_image_is_black_and_does_not_count_for_the_window():
    values = np.full((50, 50), 1000.0, np.float32)
    values[:, 25:] = 2000.0
    placement = CropPlacement((-14, 0), (1, 0), (0, 1), 50, 50)
    unit = crop_unit(Radiograph(values), placement, PROFILE)
    assert (unit[:, :14] == 0).all()
    assert unit[10, 20] == 0.0
    assert unit[10, 45] == 1.0
    assert (unit[50:] == 0).all()


def test_a_crop_without_contrast_is_refused():
    placement = CropPlacement((0, 0), (0.5, 0), (0, 0.5), 50, 50)
    with pytest.raises(ValueError, match="no contrast"):
        crop_unit(Radiograph(np.ones((50, 50), np.float32)), placement, PROFILE)


def test_inverted_values_are_turned_and_padding_is_dark():
    values = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    padding = np.zeros((64, 64), bool)
    padding[:, :8] = True
    placement = CropPlacement((0, 0), (1, 0), (0, 1), 64, 64)
    unit = crop_unit(Radiograph(values, inverted=True, padding=padding), placement, PROFILE)
    assert unit[3, 8] == 1.0
    assert unit[3, 63] == unit[3, 2] == 0.0


@pytest.mark.parametrize("degrees", [0, 40, 130])
@pytest.mark.parametrize("grid", [None, (96, 72)])
def test_evidence_lies_on_the_source_where_it_lay_in_the_crop(degrees, grid):
    way = np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    at = np.array([150.0, 200.0])
    crop = Crop(size_mm=50, centre=(0,), axis=(0, 1))
    placement = placed(crop, [at, at + 10 * way])
    evidence = gaussian(18.3, 9.6, 28, 28)
    expected = placement.unclipped(np.array([[18.3, 9.6]]) * 64 / 28)[0]
    scale = np.ones(2)
    if grid is not None:
        placement, scale = placement.on_grid(*grid), np.array([grid[1] / 300, grid[0] / 400])
    mapped = placement.map_to_source(evidence, 64)
    assert mapped.shape == (grid or (400, 300))
    y, x = np.mgrid[0 : mapped.shape[0], 0 : mapped.shape[1]] + 0.5
    found = np.array([(mapped * x).sum(), (mapped * y).sum()]) / mapped.sum()
    assert found / scale == pytest.approx(expected, abs=0.5)
    assert mapped.max() == pytest.approx(1.0, abs=0.15)


def test_the_members_mean_is_of_probabilities_or_of_logits():
    logits = [np.array([[0.0, 2.0]]), np.array([[0.0, -4.0]])]
    sure = [1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(4.0))]
    kinds = ["softmax", "softmax"]
    assert mean_of_members(logits, kinds, "probabilities")[0, 1] == pytest.approx(np.mean(sure))
    assert mean_of_members(logits, kinds, "logits")[0, 1] == pytest.approx(1 / (1 + np.exp(1.0)))


def test_the_mean_of_maps_weighs_them_alike_on_the_finest_grid():
    low, high = np.zeros((2, 2), np.float32), np.zeros((4, 4), np.float32)
    low[0, 0], high[3, 3] = 100.0, 0.01
    mean = mean_maps([low, high, np.full((2, 2), np.nan, np.float32)])
    assert mean.shape == (4, 4)
    assert mean[0, 0] == pytest.approx(1 / 3, abs=0.01)
    assert mean[3, 3] == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize(
    ("views", "rule", "score"),
    [
        ({"PA": [0.9], "LAT": [0.1]}, "mean", 0.5),
        ({"PA": [0.9], "LAT": [0.1]}, "max", 0.9),
        ({"PA": [0.2, 0.8], "LAT": [0.4]}, "mean", 0.6),
        ({"PA": [0.3]}, "mean", 0.3),
        ({"PA": [], "LAT": [0.7]}, "mean", 0.7),
    ],
)
def test_views_are_fused_by_rule(views, rule, score):
    assert fuse(views, rule) == pytest.approx(score)
