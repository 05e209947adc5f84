"""What the header says of the pixels is checked before a decoder sees them."""

import pytest

from daemon.dicom.parse import header_of
from daemon.reading.decoding.layout import layout_of
from daemon.reading.refused import NotReadable
from daemon.reasons import Reason
from tests.support.said import said


def laid_out(max_pixels=10**8, **changes):
    facts = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 400,
        "Columns": 300,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": b"\0\0",
    }
    facts |= changes
    written = said(**{keyword: value for keyword, value in facts.items() if value is not None})
    return layout_of(written, header_of(written), max_pixels)


def refusal(**changes):
    with pytest.raises(NotReadable) as caught:
        laid_out(**changes)
    return caught.value


def test_one_grey_image_passes():
    layout = laid_out()
    assert layout.shape == (400, 300)
    assert (layout.allocated, layout.stored, layout.high) == (16, 12, 11)


@pytest.mark.parametrize("keyword", ["SamplesPerPixel", "PixelRepresentation", "BitsStored"])
def test_what_is_left_out_has_its_usual_value(keyword):
    layout = laid_out(**{keyword: None})
    assert (layout.stored, layout.signed) == (16 if keyword == "BitsStored" else 12, False)


@pytest.mark.parametrize(
    ("stored", "high", "expected"),
    [
        (12, 15, (12, 15)),
        (12, 13, (12, 13)),
        (0, 11, (16, 15)),
        (17, 16, (16, 15)),
        (12, 3, (12, 11)),
        (12, 16, (12, 11)),
        (12, None, (12, 11)),
    ],
)
def test_bits_that_cannot_be_true_are_the_lowest(stored, high, expected):
    layout = laid_out(BitsStored=stored, HighBit=high)
    assert (layout.stored, layout.high) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"SamplesPerPixel": 3},
        {"NumberOfFrames": 2},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"PhotometricInterpretation": "MONOCHROME3"},
        {"Rows": None, "PixelData": None},
    ],
)
def test_what_is_not_one_grey_image_is_no_radiograph(changes):
    assert refusal(**changes).reason is Reason.NOT_A_RADIOGRAPH


@pytest.mark.parametrize(
    "changes",
    [{"PixelData": None}, {"Rows": 0}, {"Columns": None}, {"BitsAllocated": 12}],
)
def test_a_header_that_cannot_be_true_is_unreadable(changes):
    assert refusal(**changes).reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("rows", "columns"), [(2, 2), (3, 20000), (1, 65535), (31, 31), (2000, 40)]
)
def test_nothing_can_be_seen_on_a_picture_too_small_or_narrow(rows, columns):
    assert refusal(Rows=rows, Columns=columns).reason is Reason.TOO_SMALL


@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (48, 64), (1600, 280)])
def test_small_and_long_films_are_read(rows, columns):
    assert laid_out(Rows=rows, Columns=columns).shape == (rows, columns)


def test_a_picture_larger_than_allowed_is_not_decoded():
    assert refusal(max_pixels=1000).reason is Reason.TOO_LARGE
    assert refusal(Rows=65535, Columns=65535).reason is Reason.TOO_LARGE


def test_no_word_of_the_header_gets_into_a_message():
    assert "PATIENT" not in str(refusal(PhotometricInterpretation="PATIENT NAME"))
