"""Training reads the pixels that the daemon and export read, to half a step of 16 bit."""

import numpy as np
import pytest
from PIL import Image

from export.pictures import Film as ExportFilm
from export.pictures import load_film
from model.pixels import PixelProfile, Radiograph, prepare, to_unit
from training.data import Film, load_pictures
from training.examples import Example
from training.geometry import picture

PROFILE = PixelProfile(size=64)
HALF_STEP = 0.5 / 65535 + 1e-7


@pytest.fixture(params=[8, 16])
def file(request, tmp_path):
    values = np.random.default_rng(0).integers(0, 2**request.param, (90, 60))
    path = tmp_path / "film.png"
    Image.fromarray(values.astype(np.uint16 if request.param == 16 else np.uint8)).save(path)
    return path, values.astype(np.float32)


def test_both_ways_of_training_read_through_the_pixel_contract(file):
    path, values = file
    unit, placement = to_unit(Radiograph(values), PROFILE)
    example = Example(path, (), "train", "p", "film", "0")
    split = picture(example, "letterbox", PROFILE)
    film = Film(path, False, "train", "g", "hand", True, (), "0")
    atlas = load_pictures([film], PROFILE)
    assert np.array_equal(split, atlas.units[0])
    assert np.array_equal(split, np.round(unit * 65535).astype(np.uint16))
    assert np.abs(atlas.floats([0])[0] - unit).max() <= HALF_STEP
    assert atlas.placements == [placement]


def test_export_reads_what_the_daemon_reads_bit_for_bit(file):
    path, values = file
    expected, _ = prepare(Radiograph(values), PROFILE)
    assert np.array_equal(load_film(ExportFilm(path, (), "", "g"), PROFILE)[0], expected)
