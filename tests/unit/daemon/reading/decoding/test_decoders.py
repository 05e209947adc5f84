"""Every transfer syntax that is read, by each of its decoders."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEGExtended12Bit

from daemon.dicom.syntaxes import CODINGS, Family
from daemon.intake.association.contexts import READ_TRANSFER_SYNTAXES
from daemon.reading.decoding.decoders import decoded_by
from daemon.reading.decoding.film import decode
from daemon.reading.decoding.streams import Stream, frame_of, stream_of
from tests.support import phantoms
from tests.support.encodings import (
    EIGHT_BITS_ONLY,
    LOSSLESS_SYNTAXES,
    LOSSY_SYNTAXES,
    encoded,
    frame_in,
)
from tests.support.objects import dx, save
from tests.support.stored import Pixels

COMPRESSED = [syntax for syntax, coding in CODINGS.items() if coding.decoders]
LARGEST_ERROR = {8: 20, 12: 80}
"""What lossy encoders make of a drawn film's grain, in its own units."""
SAMPLES = (
    "JPEG-lossy.dcm",
    "JPGExtended.dcm",
    "JPEG2000.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
)
"""Files of other makes, which come with pydicom."""


@pytest.fixture(scope="module")
def picture():
    return phantoms.wrist("PA", "L", spacing_mm=0.6)


def by_each_decoder(dataset):
    """Give what each decoder of the object's syntax reads."""
    syntax, shape = dataset.file_meta.TransferSyntaxUID, (dataset.Rows, dataset.Columns)
    coding, frame = CODINGS[syntax], frame_in(dataset)
    if coding.family is Family.RLE:
        stream = Stream(frame, dataset.BitsAllocated, shape)
    else:
        stream = stream_of(frame, coding.family, shape)
    return [decoded_by(decoder, stream, syntax) for decoder in coding.decoders]


def test_the_tests_write_every_syntax_that_is_offered():
    assert {*LOSSLESS_SYNTAXES, *LOSSY_SYNTAXES} == set(READ_TRANSFER_SYNTAXES)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_lossless_syntaxes_give_the_picture_back(picture, tmp_path, syntax, bits):
    scaled = picture >> 4 if bits == 8 else picture << (bits - 12)
    file = save(encoded(dx(scaled, pixels=Pixels(bits=bits)), syntax), tmp_path / "film.dcm")
    decoded = decode(file, 10**8)
    assert np.array_equal(decoded.radiograph.values, scaled)
    assert decoded.notes == ()


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("syntax", LOSSY_SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_lossy_syntaxes_give_nearly_the_picture_back(picture, tmp_path, syntax, bits):
    if syntax in EIGHT_BITS_ONLY:
        bits = 8
    scaled = picture >> (12 - bits)
    file = save(encoded(dx(scaled, pixels=Pixels(bits=bits)), syntax), tmp_path / "film.dcm")
    error = np.abs(decode(file, 10**8).radiograph.values - scaled)
    assert error.max() <= LARGEST_ERROR[bits]


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda one: one.keyword)
def test_both_decoders_read_the_same(picture, syntax):
    first, *others = by_each_decoder(encoded(dx(picture >> 4, pixels=Pixels(bits=8)), syntax))
    assert first is not None
    for other in others:
        assert np.abs(first.astype(int) - other).max() <= (CODINGS[syntax].family is Family.JPEG)


@pytest.mark.parametrize("name", SAMPLES)
def test_files_of_other_makes_are_read_alike_by_both_decoders(name):
    dataset = dcmread(get_testdata_file(name))
    first, *others = by_each_decoder(dataset)
    assert first is not None
    assert first.shape == (dataset.Rows, dataset.Columns)
    if dataset.file_meta.TransferSyntaxUID != JPEGExtended12Bit:  # 12 bits have one decoder
        assert np.array_equal(first, others[0])


def test_a_real_film_in_12_bit_jpeg_is_the_lossless_one_nearly(real_data):
    """The WG04 sample RG3: its scan header lacks the spectrum, which decoders refuse."""
    lossless, lossy = (
        decode(real_data / "dicom" / f"RG3_extremity_{name}.dcm", 10**8).radiograph.values
        for name in ("JPLL", "JPLY")
    )
    error = np.abs(lossless - lossy)
    assert error.mean() < 2
    assert error.max() < 60


def test_every_real_object_is_read_by_its_first_decoder(real_data):
    for file in sorted((real_data / "dicom").glob("*.dcm")):
        assert decode(Path(file), 10**8).notes == (), file.name


def test_frames_come_without_their_offset_table():
    item = b"\xfe\xff\x00\xe0"
    value = item + b"\4\0\0\0" + bytes(4) + item + b"\2\0\0\0ab"
    assert frame_of(memoryview(value)) == b"ab"
