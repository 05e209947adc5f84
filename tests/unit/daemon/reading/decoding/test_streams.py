"""Compressed frames: whole ones are read however they end, cut ones are refused."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from daemon.reading.decoding.film import NotReadable, decode
from daemon.reasons import Note, Reason
from tests.support import phantoms
from tests.support.encodings import encoded, frame_in, with_frame
from tests.support.objects import dx, save
from tests.support.stored import Pixels

END = b"\xff\xd9"
MARKED = (
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
)
"""Syntaxes whose frames have an end marker."""


@pytest.fixture(scope="module")
def picture():
    return phantoms.wrist("PA", "L", spacing_mm=0.6)


@pytest.fixture(scope="module", params=MARKED, ids=lambda syntax: syntax.keyword)
def film(request, picture):
    """Give an object, and its frame up to the end marker."""
    if request.param == JPEGExtended12Bit:
        dataset = dcmread(get_testdata_file("JPGExtended.dcm"))
    elif request.param == JPEGBaseline8Bit:
        dataset = encoded(dx(picture >> 4, pixels=Pixels(bits=8)), request.param)
    else:
        dataset = encoded(dx(picture), request.param)
    frame = frame_in(dataset)
    return dataset, frame[: frame.rindex(END)]


def values(dataset, frame, tmp_path, fragments=1):
    file = save(with_frame(dataset, frame, fragments), tmp_path / "film.dcm")
    return decode(file, 10**8).radiograph.values


@pytest.mark.parametrize(
    "behind",
    [
        pytest.param(END + bytes(200), id="zeros behind the end marker"),
        pytest.param(END + bytes(66000), id="a block of zeros behind the end marker"),
        pytest.param(END + b"\xff\xff", id="fill bytes behind the end marker"),
        pytest.param(b"", id="no end marker"),
        pytest.param(bytes(8), id="zeros instead of the end marker"),
    ],
)
def test_a_whole_frame_is_read_however_it_ends(film, behind, tmp_path):
    dataset, body = film
    expected = values(dataset, body + END, tmp_path)
    assert np.array_equal(values(dataset, body + behind, tmp_path), expected)


def test_a_frame_in_many_fragments_is_one(film, tmp_path):
    dataset, body = film
    whole = values(dataset, body + END, tmp_path)
    assert np.array_equal(values(dataset, body + END, tmp_path, fragments=7), whole)


@pytest.mark.parametrize("marker", [b"", END], ids=["without an end", "with an end marker"])
@pytest.mark.parametrize("percent", [1, 10, 30, 50, 70, 90, 95, 99, 99.9])
def test_a_frame_that_is_cut_off_is_refused(film, percent, marker, tmp_path):
    dataset, body = film
    cut = body[: int(len(body) * percent / 100)]
    with pytest.raises(NotReadable) as caught:
        values(dataset, cut + marker, tmp_path)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("percent", [1, 30, 60, 90, 99, 99.9])
def test_run_lengths_that_are_cut_off_are_refused(picture, percent, tmp_path):
    dataset = encoded(dx(picture), RLELossless)
    frame = frame_in(dataset)
    with pytest.raises(NotReadable):
        values(dataset, frame[: int(len(frame) * percent / 100)], tmp_path)


def test_run_lengths_may_be_followed_by_zeros(picture, tmp_path):
    dataset = encoded(dx(picture), RLELossless)
    assert np.array_equal(values(dataset, frame_in(dataset) + bytes(5000), tmp_path), picture)


def test_a_scan_header_that_says_nothing_of_the_spectrum_is_read(tmp_path):
    """Two files of one film that come with pydicom: other decoders refuse the first."""
    bare, good = (get_testdata_file(name) for name in ("JPEG-lossy.dcm", "JPGExtended.dcm"))
    shown = [decode(Path(file), 10**8).radiograph.values for file in (bare, good)]
    assert np.array_equal(*shown)


def test_a_precision_that_no_cosine_transform_has_is_refused(picture, tmp_path):
    """GDCM writes such frames of 12-bit films, and its decoder overflows on them."""
    file = save(encoded(dx(picture), JPEGExtended12Bit), tmp_path / "film.dcm")
    with pytest.raises(NotReadable, match="no header"):
        decode(file, 10**8)


def test_a_frame_of_another_size_is_refused(picture, tmp_path):
    dataset = encoded(dx(picture), JPEGLSLossless)
    dataset.Rows -= 1
    with pytest.raises(NotReadable, match="another size"):
        decode(save(dataset, tmp_path / "film.dcm"), 10**8)


def test_what_the_first_decoder_refuses_the_second_may_read(picture, tmp_path):
    """Stray restart markers before the end: GDCM gives up."""
    dataset = encoded(dx(picture >> 4, pixels=Pixels(bits=8)), JPEGBaseline8Bit)
    frame = frame_in(dataset)
    expected = values(dataset, frame, tmp_path)
    stray = frame[: frame.rindex(END)] + b"\xff\xd0\x01\xff\xd1\x01" + END
    decoded = decode(save(with_frame(dataset, stray), tmp_path / "stray.dcm"), 10**8)
    assert decoded.notes == (Note.SECOND_DECODER,)
    assert np.abs(decoded.radiograph.values - expected).max() <= 1
