"""The same picture is the same finding, however it is stored: through the shipped model.

The pictures are 8 bits deep, and deeper stores hold the same values shifted, so that none rounds:
the shipped model's selection of features is not continuous, and noise of 1e-5 in its input can move
a probability by 3e-3. What rounding does to the input is tested in `test_decode`.
"""

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset

from daemon.reading.decoding.film import decode
from daemon.reading.device.sessions import Session
from model.package import load_package, probabilities
from model.pixels import prepare, to_unit
from tests.support import phantoms
from tests.support.encodings import LOSSLESS_SYNTAXES, encoded
from tests.support.node import PACKAGE
from tests.support.objects import cr, dx, save
from tests.support.stored import Pixels
from training.data.examples import Example
from training.data.films import letterboxed
from training.data.radiographs import read_radiograph

ALIKE = 1e-3
"""Probabilities may differ by this much."""
RESAMPLED = 3e-2
P = load_package(PACKAGE).manifest.pixels
ORIGINALS = ("0001_1297860395_01_WRI-L1_M014.png", "0004_0542630449_01_WRI-L1_M003.png")
"""Wrists of GRAZPEDWRI-DX with their 16 bits."""


@pytest.fixture(scope="module")
def chances():
    """Return the shipped model's probabilities for a stored object."""
    package = load_package(PACKAGE)
    session = Session(package, "cpu", 0)

    def ask(file):
        tensor = prepare(decode(file, 10**8).radiograph, P)[0]
        logits = session.run(tensor[None], np.array([1])).logits
        return probabilities(logits, package.manifest)[0]

    return ask


@pytest.fixture(
    scope="module",
    params=["phantom", *(pytest.param(name, marks=pytest.mark.long) for name in ORIGINALS)],
    ids=["phantom", "wrist", "child"],
)
def grey(request):
    """Give a picture whose values are 8 bits deep: any store can hold it."""
    if request.param == "phantom":
        picture = phantoms.wrist("PA", "L", spacing_mm=0.3, fracture=True).astype(float)
    else:
        film = request.getfixturevalue("real_data") / "grazpedwri" / request.param
        picture = read_radiograph(film).values.astype(float)
    low, high = picture.min(), picture.max()
    return np.round((picture - low) / (high - low) * 255).astype(np.uint16)


def stored_in(grey, bits):
    return grey << (bits - 8)


def exact_table():
    """Return a VOI LUT that keeps 12 bits as they are, in 16."""
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table["LUTDescriptor"].VR = "US"
    table.LUTData = (np.arange(4096) * 16).astype("<u2").tobytes()
    table["LUTData"].VR = "OW"
    return {"VOILUTSequence": [table]}


@pytest.fixture(scope="module")
def expected(grey, chances, tmp_path_factory):
    file = tmp_path_factory.mktemp("plain") / "plain.dcm"
    return chances(save(dx(stored_in(grey, 12)), file))


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES, ids=lambda syntax: syntax.name)
def test_in_every_transfer_syntax(grey, chances, expected, tmp_path, syntax):
    file = save(encoded(dx(stored_in(grey, 12)), syntax), tmp_path / "image.dcm")
    assert chances(file) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(Pixels(), id="12 bits"),
        pytest.param(Pixels(photometric="MONOCHROME1"), id="MONOCHROME1"),
        pytest.param(Pixels(bits=8), id="8 bits"),
        pytest.param(Pixels(bits=8, photometric="MONOCHROME1"), id="8 bits, MONOCHROME1"),
        pytest.param(Pixels(bits=10), id="10 bits"),
        pytest.param(Pixels(bits=15), id="15 bits"),
        pytest.param(Pixels(bits=16), id="16 bits"),
        pytest.param(Pixels(bits=16, photometric="MONOCHROME1"), id="16 bits, MONOCHROME1"),
        pytest.param(Pixels(signed=True), id="signed"),
        pytest.param(Pixels(bits=16, signed=True), id="16 bits signed"),
        pytest.param(Pixels(slope=2.0, intercept=-1024.0), id="rescaled"),
        pytest.param(Pixels(slope=-1.0, intercept=4095.0), id="negative slope"),
        pytest.param(Pixels(window=(2048.0, 4096.0)), id="window"),
        pytest.param(
            Pixels(photometric="MONOCHROME1", window=(2048.0, 4096.0)), id="window, MONOCHROME1"
        ),
        pytest.param(Pixels(extra=exact_table()), id="VOI LUT"),
        pytest.param(
            Pixels(extra=exact_table(), photometric="MONOCHROME1"), id="VOI LUT, MONOCHROME1"
        ),
    ],
)
@pytest.mark.parametrize("make", [dx, cr], ids=["DX", "CR"])
def test_in_every_store(grey, chances, expected, tmp_path, make, pixels):
    file = save(make(stored_in(grey, pixels.bits), pixels=pixels), tmp_path / "image.dcm")
    assert chances(file) == pytest.approx(expected, abs=ALIKE)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("value", [0, 4095, 2000])
def test_padding_of_any_value_is_background(grey, chances, tmp_path, photometric, value):
    inner = stored_in(np.clip(grey, 10, 250), 12)  # none of its values is a padding value
    inner[inner == 2000] = 2016
    padded = dx(inner, pixels=Pixels(padding=value, photometric=photometric))
    edge = max(1, round(min(inner.shape) * Pixels().padding_border))
    black = np.full(inner.shape, inner[edge:-edge, edge:-edge].min())
    black[edge:-edge, edge:-edge] = inner[edge:-edge, edge:-edge]
    plain = chances(save(dx(black), tmp_path / "black.dcm"))
    assert chances(save(padded, tmp_path / "padded.dcm")) == pytest.approx(plain, abs=ALIKE)


@pytest.mark.parametrize("keyword", ["PixelSpacing", "PixelAspectRatio"])
def test_pixels_twice_as_high_as_wide(grey, chances, expected, tmp_path, keyword):
    """Each column stands there twice; spacing or aspect ratio say so.

    Resampling is not exact then, so more is allowed; without the header's word it is another film.
    """
    dataset = dx(np.repeat(stored_in(grey, 12), 2, axis=1))
    for other in ("PixelSpacing", "ImagerPixelSpacing"):
        if other in dataset:
            delattr(dataset, other)
    setattr(dataset, keyword, ["0.288", "0.144"] if keyword == "PixelSpacing" else ["2", "1"])
    file = save(dataset, tmp_path / "image.dcm")
    assert chances(file) == pytest.approx(expected, abs=RESAMPLED)
    plain = to_unit(decode(save(dx(stored_in(grey, 12)), tmp_path / "1.dcm"), 10**8).radiograph, P)
    wide = to_unit(decode(file, 10**8).radiograph, P)
    assert np.abs(wide[0] - plain[0]).mean() < 5e-3


def test_another_picture_is_told_apart(grey, chances, expected, tmp_path):
    """What the others allow is far less than what a real difference makes."""
    turned = chances(save(dx(stored_in(255 - grey, 12)), tmp_path / "image.dcm"))
    assert np.abs(turned - expected).max() > 10 * ALIKE


def test_training_and_daemon_see_the_same_pixels_bit_for_bit(grey, tmp_path):
    picture = stored_in(grey, 16)
    Image.fromarray(picture).save(tmp_path / "film.png")
    film = Example(tmp_path / "film.png", (), "", "", "", "")
    seen = decode(save(cr(picture, pixels=Pixels(bits=16)), tmp_path / "film.dcm"), 10**8)
    assert np.array_equal(seen.radiograph.values, read_radiograph(film.path).values)
    unit, placement = to_unit(seen.radiograph, P)
    held = letterboxed(film, P)
    assert held[1] == placement
    assert np.array_equal(held[0], unit)
