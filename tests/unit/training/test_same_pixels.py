"""Training reads the pixels that the daemon and export read, bit for bit."""

import numpy as np
import pytest
from PIL import Image

from export.pictures import LabelledFilm, load_film
from model.pixels import PixelProfile, Radiograph, prepare, to_unit
from training.data.examples import Example
from training.data.films import Films, letterboxed

PROFILE = PixelProfile(size=64)


@pytest.fixture(params=[8, 16])
def file(request, tmp_path):
    values = np.random.default_rng(0).integers(0, 2**request.param, (90, 60))
    path = tmp_path / "film.png"
    Image.fromarray(values.astype(np.uint16 if request.param == 16 else np.uint8)).save(path)
    return path, values.astype(np.float32)


def test_training_reads_through_the_pixel_contract(file):
    path, values = file
    unit, placement = to_unit(Radiograph(values), PROFILE)
    example = Example(path, (), "train", "p", "film", "0")
    ours = letterboxed(example, PROFILE)
    assert np.array_equal(ours[0], unit)
    assert ours[1] == placement
    [network_input] = Films([example], "letterbox", PROFILE, keep=True).inputs([0]).numpy()
    assert np.array_equal(network_input, prepare(Radiograph(values), PROFILE)[0])


def test_export_reads_what_the_daemon_reads_bit_for_bit(file):
    path, values = file
    expected, _ = prepare(Radiograph(values), PROFILE)
    assert np.array_equal(load_film(LabelledFilm(path, (), "", "g"), PROFILE)[0], expected)
