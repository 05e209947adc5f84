"""Which bits of a cell are the picture, in every syntax."""

import numpy as np
import pytest
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from daemon.reading.decoding.film import NotReadable, decode
from daemon.reading.decoding.layout import Layout
from daemon.reading.decoding.samples import Samples, native_samples, stored_values
from tests.support import phantoms
from tests.support.encodings import encoded
from tests.support.objects import dx, save
from tests.support.stored import Pixels

SYNTAXES = (
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
)


@pytest.fixture(scope="module")
def picture():
    return phantoms.wrist("PA", "L", spacing_mm=0.6)


def layout(stored, high, allocated=16, *, signed=False):
    return Layout(1, 3, allocated, stored, high, signed=signed, monochrome1=False)


def through(words, precision, *args, signed_stream=False, lossy=False, **kwargs):
    samples = Samples(np.array([words]), precision, signed_stream)
    return stored_values(samples, layout(*args, **kwargs), lossy=lossy)[0].tolist()


def read(dataset, syntax, tmp_path, stored, high):
    """Encode whole cells, then say which bits of them are stored."""
    changed = encoded(dataset, syntax)
    changed.BitsStored, changed.HighBit = stored, high
    return decode(save(changed, tmp_path / "film.dcm"), 10**8).radiograph.values


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_bits_at_the_upper_end_are_shifted_down(picture, tmp_path, syntax):
    film = dx(
        picture << 4, pixels=Pixels(bits=16, extra={"WindowCenter": 2048, "WindowWidth": 4096})
    )
    assert np.array_equal(read(film, syntax, tmp_path, 12, 15), picture)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_overlays_in_the_unused_bits_are_left_out(picture, tmp_path, syntax):
    drawn = picture | (np.indices(picture.shape).sum(axis=0) % 7 == 0).astype(np.uint16) << 12
    film = dx(drawn, pixels=Pixels(bits=16, extra={"WindowCenter": 2048, "WindowWidth": 4096}))
    assert np.array_equal(read(film, syntax, tmp_path, 12, 11), picture)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_signed_values_keep_their_sign(picture, tmp_path, syntax):
    film = dx(picture, pixels=Pixels(signed=True))
    file = save(encoded(film, syntax), tmp_path / "film.dcm")
    assert np.array_equal(decode(file, 10**8).radiograph.values, picture)


def test_the_sign_is_the_uppermost_stored_bit():
    assert through([0x7FF, 0x800, 0xFFF], 16, 12, 11, signed=True) == [2047, -2048, -1]
    assert through([0x7FF0, 0x8000, 0xFFF5], 16, 12, 15, signed=True) == [2047, -2048, -1]
    assert through([1, 2**32 - 1, 2**31], 32, 32, 31, 32, signed=True) == [1, -1, -(2**31)]


def test_a_stream_of_fewer_bits_holds_the_values_themselves():
    assert through([0, 5, 4095], 12, 12, 15) == [0, 5, 4095]
    assert through([0, 5, 1023], 10, 12, 15) == [0, 5, 1023]


def test_a_stream_with_a_sign_is_right_as_it_is():
    assert through([-5, 0, 5], 12, 12, 11, signed_stream=True) == [-5, 0, 5]


def test_what_a_lossy_decoder_overshoots_stays_white():
    assert through([1022, 1023, 1025], 12, 10, 9, lossy=True) == [1022, 1023, 1023]
    assert through([1022, 1023, 1025], 12, 10, 9, lossy=False) == [1022, 1023, 1]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("allocated", [8, 16, 32])
def test_cells_of_every_size_and_order_are_read(order, allocated):
    values = np.array([1, 2, 250], f"{order}u{allocated // 8}")
    found = native_samples(
        memoryview(values.tobytes()), layout(8, 7, allocated), order, swapped=False
    )
    assert found.values.tolist() == [[1, 2, 250]]


def test_bytes_in_words_of_big_endian_order_are_swapped():
    found = native_samples(memoryview(b"\2\1\0\3"), layout(8, 7, 8), ">", swapped=True)
    assert found.values.tolist() == [[1, 2, 3]]


def test_pixel_data_that_are_too_short_are_refused():
    for swapped in (False, True):
        with pytest.raises(NotReadable):
            native_samples(memoryview(b"\2\1"), layout(8, 7, 8), ">", swapped=swapped)
