"""Lookup tables and rescaling, in every way they are written."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from daemon.dicom.grey import Rescale, Table
from daemon.reading.decoding.lookup_tables import looked_up, table_of
from daemon.reading.decoding.modality import modality_of, modality_values
from tests.support.said import said, table

RAMP = np.arange(256)


def written(entries, number, first=0, bits=16, *, syntax=ExplicitVRLittleEndian, signed=False):
    dataset = Dataset()
    dataset.ModalityLUTSequence = [table(entries, number, first, bits)]
    [item] = said(dataset, syntax).items("ModalityLUTSequence")
    return table_of(item, signed=signed)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_8_bit_entries_are_read_packed_and_in_words(syntax):
    packed = written(RAMP.astype("u1").tobytes(), 256, bits=8, syntax=syntax)
    words = written(RAMP.astype("<u2").tobytes(), 256, bits=8, syntax=syntax)
    assert packed.entries == words.entries == tuple(range(256))


def test_an_odd_number_of_packed_entries_is_read():
    assert written(bytes(range(101)), 101, bits=8).entries == tuple(range(101))


def test_words_of_big_endian_order_are_read():
    words = written(RAMP.astype(">u2").tobytes(), 256, syntax=ExplicitVRBigEndian)
    swapped = RAMP.astype("u1").view("<u2").astype(">u2").tobytes()
    packed = written(swapped, 256, bits=8, syntax=ExplicitVRBigEndian)
    assert words.entries == packed.entries == tuple(range(256))


def test_no_number_of_entries_means_65536():
    found = written(np.arange(65536).astype("<u2").tobytes(), 0)
    assert len(found.entries) == 65536


def test_the_first_value_may_be_negative_where_values_are():
    entries = RAMP.astype("<u2").tobytes()
    assert written(entries, 256, 65536 - 100, signed=True).first == -100
    assert written(entries, 256, 65536 - 100, signed=False).first == 65436


@pytest.mark.parametrize(
    ("entries", "number"),
    [(b"\1\2\3\4", 256), (bytes(512), 256), (b"", 16)],
    ids=["short", "flat", "empty"],
)
def test_a_damaged_or_level_table_is_none(entries, number):
    assert written(entries, number) is None


def test_beyond_its_ends_a_table_goes_on():
    found = looked_up(np.array([-5, 10, 11, 12.4, 99], np.float32), Table(10, 16, (7, 8, 9)))
    assert found.tolist() == [7, 7, 8, 9, 9]


def test_rescaling_is_applied():
    stored = np.array([[0, 100]], np.uint16)
    modality = modality_of(said(RescaleSlope="-2", RescaleIntercept="50"), signed=False)
    assert modality == Rescale(-2.0, 50.0)
    assert modality_values(stored, modality).tolist() == [[50.0, -150.0]]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"RescaleSlope": "0", "RescaleIntercept": "5"},
        {"RescaleSlope": "", "RescaleIntercept": ""},
        {"RescaleSlope": "1e300", "RescaleIntercept": "0"},
        {"RescaleSlope": "1", "RescaleIntercept": "1e12"},
    ],
)
def test_a_rescaling_that_means_nothing_is_none(values):
    assert modality_of(said(**values), signed=False) is None


def test_a_table_wins_over_rescaling():
    dataset = Dataset()
    dataset.ModalityLUTSequence = [table(RAMP.astype("<u2").tobytes(), 256, 0, 16)]
    dataset.ModalityLUTSequence[0].ModalityLUTType = "OD"
    dataset.RescaleSlope, dataset.RescaleIntercept = "3", "0"
    found = modality_of(said(dataset), signed=False)
    assert (found.kind, found.entries[255]) == ("OD", 255)


def test_values_without_a_modality_lut_are_what_is_stored():
    assert modality_values(np.array([[3, -4]], np.int32), None).tolist() == [[3.0, -4.0]]
