"""Which pixels carry no signal."""

import numpy as np
import pytest
from pydicom import Dataset

from daemon.reading.decoding.layout import Layout
from daemon.reading.decoding.padding import padding_of
from tests.support.said import said

STORED = np.arange(-2, 198, dtype=np.int32).reshape(10, 20)


def mask(stored=STORED, *, signed=True, kind="SS", **values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
        dataset[keyword].VR = kind
    layout = Layout(10, 20, 16, 12, 11, signed=signed, monochrome1=False)
    return padding_of(stored, said(dataset), layout)


def test_without_a_padding_value_every_pixel_counts():
    assert mask() is None


def test_one_value_is_padding():
    found = mask(PixelPaddingValue=-2)
    assert found[0, 0]
    assert np.count_nonzero(found) == 1


@pytest.mark.parametrize(("value", "limit"), [(3, 6), (6, 3)])
def test_both_ends_of_a_range_are_padding(value, limit):
    found = mask(PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
    assert STORED[found].tolist() == [3, 4, 5, 6]


def test_the_sign_is_that_of_the_pixels_whatever_the_writer_chose():
    assert STORED[mask(PixelPaddingValue=65534, kind="US")].tolist() == [-2]
    unsigned = np.where(STORED < 0, 65535, STORED)
    found = mask(unsigned, PixelPaddingValue=-1, signed=False)
    assert np.array_equal(found, unsigned == 65535)


def test_a_padding_that_leaves_nothing_is_none():
    assert mask(PixelPaddingValue=-2, PixelPaddingRangeLimit=197) is None
    assert mask(PixelPaddingValue=-2, PixelPaddingRangeLimit=196) is None
    assert mask(PixelPaddingValue=-2, PixelPaddingRangeLimit=195) is not None


def test_a_value_that_no_pixel_has_is_no_padding():
    assert mask(PixelPaddingValue=2000) is None
