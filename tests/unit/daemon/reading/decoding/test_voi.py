"""Windows and tables for viewing; those that were made for other values are left out."""

import numpy as np
import pytest
from pydicom import Dataset

from daemon.dicom.grey import Table, Window
from daemon.reading.decoding.voi import limits, viewed, voi_of
from daemon.reasons import Note
from tests.support import phantoms
from tests.support.said import said, table

LINEAR_RAMP = np.arange(4096, dtype=np.float32)


@pytest.fixture(scope="module")
def film():
    """A drawn film's values, 12 bits."""
    return phantoms.wrist("PA", "L", spacing_mm=0.6).astype(np.float32).ravel()


def chosen(values, centers, widths, function=None, **more):
    attributes = {"WindowCenter": centers, "WindowWidth": widths} | more
    if function is not None:
        attributes["VOILUTFunction"] = function
    return voi_of(said(**attributes), values)


def test_a_linear_window_ends_where_the_standard_says():
    """PS3.3 C.11.2.1.2.1: from c - 0.5 - (w - 1) / 2 to c - 0.5 + (w - 1) / 2."""
    assert limits(Window(2048, 4096)) == (0.0, 4095.0)
    assert limits(Window(100, 1)) == (99.5, 99.5)
    assert limits(Window(2048, 4096, "LINEAR_EXACT")) == (0.0, 4096.0)


def test_values_within_a_window_stay_what_they_are():
    shown = viewed(LINEAR_RAMP, Window(1000, 501))
    assert (shown.min(), shown.max()) == (749.5, 1249.5)
    assert np.array_equal(shown[750:1250], LINEAR_RAMP[750:1250])


def test_a_sigmoid_bends_as_the_standard_says():
    shown = viewed(LINEAR_RAMP, Window(2000, 1000, "SIGMOID"))
    expected = 1 / (1 + np.exp(-4 * (LINEAR_RAMP - 2000) / 1000))
    assert shown == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(viewed(LINEAR_RAMP, Window(2000, 1e-6, "SIGMOID"))).all()


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_function_is_the_one_that_is_named(film, function):
    assert chosen(film, 2048, 4096, function) == (Window(2048.0, 4096.0, function), ())


def test_an_empty_function_is_linear_and_an_unknown_one_too_but_with_a_word(film):
    assert chosen(film, 2048, 4096, "") == (Window(2048.0, 4096.0), ())
    assert chosen(film, 2048, 4096, "CUBIC") == (Window(2048.0, 4096.0), (Note.FUNCTION_UNKNOWN,))


@pytest.mark.parametrize(
    ("function", "width"), [("LINEAR", "0.5"), ("LINEAR", "0"), ("SIGMOID", "0"), ("LINEAR", "-4")]
)
def test_a_window_without_width_is_none(film, function, width):
    assert chosen(film, 2048, width, function) == (None, ())


def test_the_first_window_that_can_be_used_is_taken(film):
    assert chosen(film, [2048, 2000], [0, 4000]) == (Window(2000.0, 4000.0), ())


@pytest.mark.parametrize(
    ("center", "width"),
    [(127, 255), (128, 256), (127.5, 255), (40, 80), (2048, 1), (2048, 2), (9000, 500)],
)
def test_a_window_that_was_made_for_other_values_is_left_out_with_a_word(film, center, width):
    assert chosen(film, center, width) == (None, (Note.WINDOW_LEFT_OUT,))
    white = 4095 - film
    assert chosen(white, center, width) == (None, (Note.WINDOW_LEFT_OUT,))


@pytest.mark.parametrize("bits", [14, 16])
def test_the_window_of_12_bits_is_left_out_of_deeper_films(film, bits):
    assert chosen(film * 2 ** (bits - 12), 2048, 4096) == (None, (Note.WINDOW_LEFT_OUT,))


def test_a_window_of_fewer_bits_stays_where_values_hardly_exceed_it(film):
    assert chosen(film * 1.02, 2048, 4096)[1] == ()


@pytest.mark.parametrize(("low", "high"), [(0, 100), (5, 95), (10, 90), (20, 99.5), (50, 99.9)])
def test_a_window_that_clips_half_the_pixels_stays(film, low, high):
    ends = np.percentile(film, [low, high])
    window, notes = chosen(film, float(ends.mean()), float(np.ptp(ends)))
    assert window is not None
    assert notes == ()


def test_a_narrow_window_beside_a_bright_background_stays(film):
    """16 bits, the direct exposure near the top, the limb in the lowest quarter."""
    background = film < np.percentile(film, 45)
    noise = np.random.default_rng(3).normal(scale=300, size=film.size)
    values = np.where(background, 64000 + noise, (4095 - film) * 4).astype(np.float32)
    window, notes = chosen(values, 8000, 17000)
    assert window is not None
    assert notes == ()


def test_an_honest_window_behind_a_foreign_one_is_used(film):
    window, notes = chosen(film, [127, 2048], [255, 4096])
    assert window == Window(2048.0, 4096.0)
    assert notes == (Note.WINDOW_LEFT_OUT,)


def tabled(film, entries, number, first=0, bits=16, **more):
    dataset = Dataset()
    dataset.VOILUTSequence = [table(entries, number, first, bits)]
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return voi_of(said(dataset), film)


def test_a_table_wins_over_a_window(film):
    entries = np.arange(4096).astype("<u2").tobytes()
    found, notes = tabled(film, entries, 4096, WindowCenter="1000", WindowWidth="500")
    assert isinstance(found, Table)
    assert notes == ()


@pytest.mark.parametrize("shift", [0, 20000])
def test_a_table_that_was_made_for_other_values_is_left_out_with_a_word(film, shift):
    entries = np.arange(256).astype("<u2").tobytes()
    assert tabled(film, entries, 256, shift) == (None, (Note.TABLE_LEFT_OUT,))


def test_a_level_table_is_left_out_and_the_window_used(film):
    found, notes = tabled(film, bytes(8192), 4096, WindowCenter="2048", WindowWidth="4096")
    assert found == Window(2048.0, 4096.0)
    assert notes == (Note.TABLE_LEFT_OUT,)


def test_a_table_of_values_below_zero_is_read(film):
    entries = np.arange(4096).astype("<u2").tobytes()
    found, _ = tabled(film - 1000, entries, 4096, 65536 - 1000)
    assert found.first == -1000


def test_a_film_of_one_grey_keeps_its_window():
    assert chosen(np.full(100, 7, np.float32), 2048, 4096) == (Window(2048.0, 4096.0), ())
