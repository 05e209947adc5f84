"""What archives answer becomes plain records, whatever they answer."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pynetdicom.dsutils import decode, encode

from daemon.calling.find import record_of, record_of_json

KEYS = ("StudyInstanceUID", "PatientID", "Modality")
STUDY_UID, PATIENT_ID = 0x0020000D, 0x00100020


def element(tag, vr, value):
    """Encode an element in Explicit VR Little Endian, right or wrong."""
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def answered(*elements):
    return decode(BytesIO(b"".join(elements)), is_implicit_vr=False, is_little_endian=True)


@pytest.mark.parametrize("implicit", [True, False])
def test_an_answer_is_read_in_the_character_set_that_it_names(implicit):
    entry = Dataset()
    entry.SpecificCharacterSet, entry.PatientID = "ISO_IR 192", "M\u00fcller-1"
    entry.StudyInstanceUID, entry.Modality = "1.2.3", "DX"
    came = decode(BytesIO(encode(entry, implicit, True)), implicit, True)
    expected = {"StudyInstanceUID": "1.2.3", "PatientID": "M\u00fcller-1", "Modality": "DX"}
    assert record_of(came, KEYS) == expected


@pytest.mark.parametrize(
    ("vr", "value"), [(b"FD", b"123"), (b"US", b"12"), (b"ZZ", b"12"), (b"LO", b"x\\y!")]
)
def test_a_value_that_is_none_is_empty_and_costs_no_other(vr, value):
    odd = element(PATIENT_ID, vr, value)
    said = record_of(answered(odd, element(STUDY_UID, b"UI", b"1.2.3\0")), KEYS)
    assert said["StudyInstanceUID"] == "1.2.3"
    assert said["PatientID"] == ""


def test_a_sequence_of_undefined_length_beside_it_costs_nothing():
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1032, b"SQ", 0, 0xFFFFFFFF) + end
    said = record_of(answered(sequence, element(STUDY_UID, b"UI", b"1.2.3\0")), KEYS)
    assert said["StudyInstanceUID"] == "1.2.3"


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["0020000D", "Value", "vr"]), inner)
        ),
        max_leaves=12,
    )
)
def test_whatever_stands_in_json_is_read_or_empty(anything):
    assert set(record_of_json(anything, KEYS)) == set(KEYS)


def test_json_gives_the_first_value():
    entry = {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00080060": {"vr": "CS"}}
    expected = {"StudyInstanceUID": "1.2.3", "PatientID": "", "Modality": ""}
    assert record_of_json(entry, KEYS) == expected
