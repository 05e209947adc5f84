"""PixelBytes: a picture's bytes as a file that is never copied as a whole."""

import io

import numpy as np
import pytest

from daemon.results.picture.pixel_data import PixelBytes
from daemon.results.picture.sheet import Sheet

DATA = np.arange(10, dtype=np.uint8)


def test_it_reads_in_pieces_and_then_nothing():
    pixels = PixelBytes(DATA)
    assert [pixels.read(4), pixels.read(4), pixels.read(4), pixels.read(4)] == [
        bytes(range(4)),
        bytes(range(4, 8)),
        bytes(range(8, 10)),
        b"",
    ]


def test_it_tells_its_length_wherever_reading_stands():
    pixels = PixelBytes(DATA)
    pixels.read(7)
    assert (len(pixels), pixels.tell()) == (10, 7)


@pytest.mark.parametrize(
    ("offset", "whence", "place"),
    [(3, io.SEEK_SET, 3), (-2, io.SEEK_CUR, 3), (-4, io.SEEK_END, 6), (99, io.SEEK_SET, 10)],
)
def test_it_can_be_read_from_anywhere(offset, whence, place):
    pixels = PixelBytes(DATA)
    pixels.read(5)
    assert pixels.seek(offset, whence) == place
    assert pixels.read() == bytes(range(place, 10))


def test_a_picture_of_odd_size_is_padded_to_even_length():
    sheet = Sheet(3, 3)
    sheet.fill((0, 0, 3, 3), (1, 2, 3))
    assert sheet.finish().read() == bytes([1, 2, 3] * 9) + b"\0"


def test_a_finished_picture_cannot_be_drawn_on():
    sheet = Sheet(4, 4)
    sheet.finish()
    with pytest.raises(ValueError, match="read-only"):
        sheet.fill((0, 0, 4, 4), (1, 2, 3))
