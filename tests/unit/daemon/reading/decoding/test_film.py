"""Stored objects become the same radiograph however they are stored."""

from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import MPEG2MPML, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from daemon.dicom.grey import Grey, Rescale, Window
from daemon.reading.decoding.film import NotReadable, decode
from daemon.records import Note, Reason
from model.pixels import PixelProfile, to_unit
from tests.support import phantoms
from tests.support.encodings import LOSSLESS_SYNTAXES, encoded
from tests.support.objects import cr, dx, save
from tests.support.stored import Pixels

PROFILE = PixelProfile(size=224)
MAX_PIXELS = 64_000_000


@pytest.fixture(scope="module")
def picture():
    return phantoms.wrist("PA", "L", spacing_mm=0.3)


def unit(file):
    return to_unit(decode(file, MAX_PIXELS).radiograph, PROFILE)[0]


def stored(tmp_path, dataset):
    return save(dataset, tmp_path / "image.dcm")


@pytest.fixture
def plain(tmp_path, picture):
    return unit(save(dx(picture), tmp_path / "plain.dcm"))


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES, ids=lambda syntax: syntax.name)
def test_every_transfer_syntax_gives_the_same_pixels(tmp_path, picture, plain, syntax):
    file = stored(tmp_path, encoded(dx(picture), syntax))
    assert np.array_equal(unit(file), plain)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(Pixels(photometric="MONOCHROME1"), id="MONOCHROME1"),
        pytest.param(Pixels(signed=True), id="signed"),
        pytest.param(Pixels(slope=2.0, intercept=-1024.0), id="rescaled"),
        pytest.param(Pixels(slope=-1.0, intercept=4095.0), id="negative slope"),
        pytest.param(Pixels(window=(2048.0, 4096.0)), id="window over the whole range"),
        pytest.param(Pixels(voi_lut=True), id="VOI LUT"),
    ],
)
def test_the_same_picture_stored_otherwise_gives_the_same_input(tmp_path, picture, plain, pixels):
    for make in (dx, cr):
        file = stored(tmp_path, make(picture, pixels=pixels))
        assert np.abs(unit(file) - plain).max() < 2e-3


@pytest.mark.parametrize("bits", [10, 15, 16])
def test_bit_depth_changes_rounding_only(tmp_path, picture, plain, bits):
    scaled = np.round(picture.astype(float) * (2**bits - 1) / 4095).astype(np.uint16)
    file = stored(tmp_path, dx(scaled, pixels=Pixels(bits=bits)))
    assert np.abs(unit(file) - plain).max() < 4e-3


def test_padding_is_marked(tmp_path, picture):
    file = stored(tmp_path, dx(picture, pixels=Pixels(padding=4095)))
    radiograph = decode(file, MAX_PIXELS).radiograph
    assert radiograph.padding is not None
    assert radiograph.padding[0, 0]
    assert not radiograph.padding[radiograph.values.shape[0] // 2].all()


def test_what_the_header_says_of_the_picture_is_kept(tmp_path, picture):
    decoded = decode(stored(tmp_path, cr(picture, "LAT")), MAX_PIXELS)
    assert decoded.radiograph.view == "LAT"
    assert decoded.radiograph.laterality == "L"
    assert decoded.radiograph.spacing_mm is not None


def test_how_values_became_grey_is_told(tmp_path, picture):
    pixels = Pixels(photometric="MONOCHROME1", slope=2.0, window=(2048.0, 4096.0))
    decoded = decode(stored(tmp_path, dx(picture, pixels=pixels)), MAX_PIXELS)
    assert decoded.grey == Grey(Rescale(2.0, 0.0), Window(2048.0, 4096.0), inverted=True)
    assert decoded.notes == ()


@pytest.mark.parametrize("shape", ["IDENTITY", "INVERSE"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_film_is_turned_once_at_most(tmp_path, picture, photometric, shape):
    dataset = dx(picture, pixels=Pixels(photometric=photometric))
    dataset.PresentationLUTShape = shape
    decoded = decode(stored(tmp_path, dataset), MAX_PIXELS)
    assert decoded.radiograph.inverted is (photometric == "MONOCHROME1" or shape == "INVERSE")


@pytest.mark.parametrize("spacing", [["0.2"], ["0.2", "0.2", "0.2"], []])
def test_a_malformed_spacing_costs_no_film(tmp_path, picture, spacing):
    dataset = dx(picture)
    dataset.PixelSpacing = spacing
    dataset.ImagerPixelSpacing = ["0.3", "0.3"]
    expected = (0.2, 0.2) if len(spacing) == 1 else (0.3, 0.3)
    assert decode(stored(tmp_path, dataset), MAX_PIXELS).radiograph.spacing_mm == expected


def test_an_image_of_32_bits_is_read(tmp_path, picture, plain):
    dataset = dx(picture)
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit = 31
    dataset.PixelData = picture.astype("<u4").tobytes()
    assert np.array_equal(unit(stored(tmp_path, dataset)), plain)


def test_a_window_of_no_width_is_left_out(tmp_path, picture, plain):
    dataset = dx(picture)
    dataset.WindowCenter, dataset.WindowWidth = "0", "0"
    assert np.abs(unit(stored(tmp_path, dataset)) - plain).max() < 1e-6


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"RescaleSlope": "0", "RescaleIntercept": "5"}, Note.MODALITY_LEFT_OUT),
        ({"ModalityLUTSequence": [Dataset()]}, Note.MODALITY_LEFT_OUT),
        ({"BitsStored": 40}, Note.BITS_LEFT_OUT),
        ({"HighBit": 3}, Note.BITS_LEFT_OUT),
    ],
)
def test_a_header_that_cannot_be_true_is_not_believed_and_that_is_said(
    tmp_path, picture, values, note
):
    dataset = dx(picture)
    assert decode(stored(tmp_path, dataset), MAX_PIXELS).notes == ()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    assert decode(stored(tmp_path, dataset), MAX_PIXELS).notes == (note,)


def test_a_rescale_that_cannot_be_read_is_left_out_whole(tmp_path, picture):
    dataset = dx(picture)
    dataset.RescaleSlope = "2"
    dataset.RescaleIntercept = ["5", "6"]
    decoded = decode(stored(tmp_path, dataset), MAX_PIXELS)
    assert decoded.grey.modality is None
    assert Note.MODALITY_LEFT_OUT in decoded.notes


def test_a_spacing_of_zero_is_no_spacing(tmp_path, picture):
    dataset = dx(picture)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        setattr(dataset, keyword, ["0.000", "0.000"])
    assert decode(stored(tmp_path, dataset), MAX_PIXELS).radiograph.spacing_mm is None


def refused(tmp_path, dataset, max_pixels=MAX_PIXELS):
    with pytest.raises(NotReadable) as caught:
        decode(stored(tmp_path, dataset), max_pixels)
    return caught.value.reason


def test_an_image_without_pixels_is_no_radiograph(tmp_path, picture):
    dataset = dx(picture)
    del dataset.PixelData
    assert refused(tmp_path, dataset) is Reason.UNREADABLE
    del dataset.Rows
    assert refused(tmp_path, dataset) is Reason.NOT_A_RADIOGRAPH


def test_several_frames_are_no_radiograph(tmp_path, picture):
    dataset = dx(picture)
    dataset.NumberOfFrames = 2
    assert refused(tmp_path, dataset) is Reason.NOT_A_RADIOGRAPH


def test_colour_is_no_radiograph(tmp_path, picture):
    dataset = dx(picture)
    dataset.SamplesPerPixel = 3
    assert refused(tmp_path, dataset) is Reason.NOT_A_RADIOGRAPH


def test_too_many_pixels_are_not_decoded(tmp_path, picture):
    assert refused(tmp_path, dx(picture), max_pixels=1000) is Reason.TOO_LARGE


@pytest.mark.parametrize(("keyword", "value"), [("Rows", 4000), ("Rows", 0), ("BitsAllocated", 12)])
def test_a_header_that_does_not_fit_its_pixels_is_unreadable(tmp_path, picture, keyword, value):
    dataset = dx(picture)
    setattr(dataset, keyword, value)
    assert refused(tmp_path, dataset, max_pixels=10**9) is Reason.UNREADABLE


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEGLosslessSV1, RLELossless])
def test_half_a_compressed_image_is_unreadable(tmp_path, picture, syntax):
    file = stored(tmp_path, encoded(dx(picture), syntax))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(NotReadable) as caught:
        decode(file, MAX_PIXELS)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("content", [b"", b"GIF89a" * 100], ids=["empty", "another file"])
def test_what_is_no_dicom_object_is_unreadable(tmp_path, content):
    file = tmp_path / "x.dcm"
    file.write_bytes(content)
    with pytest.raises(NotReadable) as caught:
        decode(file, MAX_PIXELS)
    assert caught.value.reason is Reason.UNREADABLE


def test_a_file_of_a_syntax_that_is_not_read_is_unreadable(tmp_path, picture):
    dataset = encoded(dx(picture), JPEGLSLossless)
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    file = stored(tmp_path, dataset)
    with pytest.raises(NotReadable, match="transfer syntax"):
        decode(file, MAX_PIXELS)


def test_a_real_computed_radiograph_is_the_same_picture_in_three_syntaxes(real_data):
    """The WG04 sample RG3: MONOCHROME1, 10 bits, in RLE, JPEG lossless and JPEG 2000 lossless."""
    names = ("RG3_extremity_RLE.dcm", "RG3_extremity_JPLL.dcm", "RG3_extremity_J2KR.dcm")
    shown = [decode(real_data / "dicom" / name, MAX_PIXELS).radiograph for name in names]
    assert all(one.inverted for one in shown)
    pictures = [to_unit(one, PROFILE)[0] for one in shown]
    assert np.array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[0] - pictures[2]).max() < 1e-3
    upside_down = to_unit(replace(shown[0], inverted=False), PROFILE)[0]
    assert np.corrcoef(pictures[0].ravel(), upside_down.ravel())[0, 1] < -0.9
