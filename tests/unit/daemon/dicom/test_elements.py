"""Walking a data set without decoding it."""

import zlib
from io import BytesIO

import numpy as np
import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.dsutils import encode, split_dataset

from daemon.dicom.source import Oversized, Unreadable
from daemon.intake.store.admit import read_names
from tests.support.objects import dx

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
PICTURE = np.arange(64, dtype=np.uint16).reshape(8, 8)
LIMIT = 1 << 20


def encoded(dataset, syntax):
    return encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)


def nested(levels, *, undefined=True):
    """A data set whose sequence holds a sequence holds a sequence."""
    inner = Dataset()
    inner.SOPInstanceUID = "9.9.9"
    for _ in range(levels):
        outer = Dataset()
        outer.RequestAttributesSequence = Sequence([inner])
        outer["RequestAttributesSequence"].is_undefined_length = undefined
        inner.is_undefined_length_sequence_item = undefined
        inner = outer
    return inner


@pytest.mark.parametrize("syntax", [*SYNTAXES, DeflatedExplicitVRLittleEndian])
def test_the_values_are_found_in_every_encoding(syntax):
    image = dx(PICTURE)
    header = read_names(encoded(image, syntax), syntax, LIMIT)
    assert header.sop_instance_uid.decode() == image.SOPInstanceUID
    assert header.study_uid.decode() == image.StudyInstanceUID
    assert header.patient_id.decode() == image.PatientID
    assert header.manufacturer.decode() == image.Manufacturer


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_cut_is_noticed(syntax):
    image = dx(PICTURE)
    image.update(nested(2))
    whole = encoded(image, syntax)
    complete = [end for end in range(1, len(whole)) if _is_read(whole[:end], syntax)]
    boundaries = [end for end in complete if len(read_names(whole[:end], syntax, LIMIT).study_uid)]
    assert len(whole) not in boundaries
    assert all(len(dcmread(BytesIO(whole[:end]), force=True)) for end in complete)
    assert len(complete) < len(image) + 2


def _is_read(data, syntax):
    try:
        read_names(data, syntax, LIMIT)
    except Unreadable:
        return False
    return True


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_values_inside_sequences_are_not_taken(syntax, undefined):
    dataset = nested(3, undefined=undefined)
    assert read_names(encoded(dataset, syntax), syntax, LIMIT).sop_instance_uid == b""


def test_nesting_without_end_is_refused_without_recursion():
    hostile = b"\x40\x00\x75\x02\xff\xff\xff\xff" * 5000
    with pytest.raises(Unreadable, match="nested too deeply"):
        read_names(hostile, ImplicitVRLittleEndian, LIMIT)


def test_a_stray_delimiter_is_refused():
    with pytest.raises(Unreadable, match="stray delimiter"):
        read_names(b"\xfe\xff\xdd\xe0\0\0\0\0", ExplicitVRLittleEndian, LIMIT)


def test_an_invented_value_representation_is_refused():
    with pytest.raises(Unreadable, match="unknown value representation"):
        read_names(b"\x08\x00\x18\x00??\x02\x001.", ExplicitVRLittleEndian, LIMIT)


def test_a_deflated_bomb_is_refused_at_the_limit():
    deflater = zlib.compressobj(wbits=-15)
    private = b"\x09\x00\x01\x10OB\0\0" + (100 << 20).to_bytes(4, "little")
    bomb = deflater.compress(private + bytes(100 << 20)) + deflater.flush()
    with pytest.raises(Oversized):
        read_names(bomb, DeflatedExplicitVRLittleEndian, LIMIT)


def test_a_cut_deflated_data_set_is_refused():
    whole = encoded(dx(PICTURE), DeflatedExplicitVRLittleEndian)
    with pytest.raises(Unreadable, match="truncated"):
        read_names(whole[: len(whole) // 2], DeflatedExplicitVRLittleEndian, LIMIT)


@pytest.mark.parametrize(
    "name",
    [
        "693_J2KI.dcm",
        "CT_small.dcm",
        "ExplVR_BigEnd.dcm",
        "JPEG2000.dcm",
        "MR_small_RLE.dcm",
        "MR_small_implicit.dcm",
        "UN_sequence.dcm",
        "image_dfl.dcm",
        "nested_priv_SQ.dcm",
        "priv_SQ.dcm",
        "test-SR.dcm",
    ],
)
def test_files_that_others_wrote_are_walked_to_their_end(name):
    path = get_testdata_file(name)
    meta, start = split_dataset(path)
    with open(path, "rb") as file:  # noqa: PTH123  # get_testdata_file gives a str
        file.seek(start)
        header = read_names(file.read(), UID(meta.TransferSyntaxUID), 1 << 30)
    expected = dcmread(path, stop_before_pixels=True)
    assert header.sop_instance_uid.decode() == expected.get("SOPInstanceUID", "")
    assert header.study_uid.decode() == expected.get("StudyInstanceUID", "")
