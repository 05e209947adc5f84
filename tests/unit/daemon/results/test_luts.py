"""What a presentation state says of grey values is what was applied to them."""

from io import BytesIO

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from daemon.dicom.grey import Grey, Rescale, Table, Window
from daemon.results.document.instance import file_meta
from daemon.results.picture.luts import add_grey

VALUES = np.arange(-10, 300)


def state_of(grey):
    state, written = Dataset(), BytesIO()
    add_grey(state, grey)
    state.file_meta = file_meta(GrayscaleSoftcopyPresentationStateStorage, "1.2.3")
    state.save_as(written, enforce_file_format=True)
    written.seek(0)
    return dcmread(written)


def ramp(first, bits, count):
    return Table(first, bits, tuple(np.linspace(0, 2**bits - 1, count).astype(int).tolist()))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("count", [255, 256, 65_536])
@pytest.mark.parametrize("first", [0, -7, 100])
def test_a_modality_table_gives_another_reader_the_same_values(bits, count, first):
    table = ramp(first, bits, count)
    index = np.clip(VALUES - first, 0, count - 1)
    seen = apply_modality_lut(VALUES, state_of(Grey(table)))
    assert np.array_equal(seen, np.array(table.entries)[index])


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_a_voi_table_gives_another_reader_the_same_picture(bits):
    table = ramp(-5, bits, 256)
    [item] = state_of(Grey(voi=table)).SoftcopyVOILUTSequence
    item.BitsStored, item.PixelRepresentation = 16, 1
    seen = apply_voi_lut(VALUES, item)
    index = np.clip(VALUES + 5, 0, 255)
    wanted = np.array(table.entries)[index] / (2**bits - 1)
    written = 2 ** item.VOILUTSequence[0].LUTDescriptor[2] - 1
    assert np.allclose(seen / written, wanted, atol=1 / written)


def test_a_table_of_all_values_has_the_length_zero():
    [item] = state_of(Grey(ramp(0, 16, 65_536))).ModalityLUTSequence
    assert list(item.LUTDescriptor) == [0, 0, 16]


def test_rescale_and_window_are_written_as_they_were_applied():
    state = state_of(
        Grey(Rescale(0.5, -1024.0, "HU"), Window(40.5, 400.0, "SIGMOID"), inverted=True)
    )
    assert (state.RescaleSlope, state.RescaleIntercept, state.RescaleType) == (0.5, -1024, "HU")
    [voi] = state.SoftcopyVOILUTSequence
    assert (voi.WindowCenter, voi.WindowWidth, voi.VOILUTFunction) == (40.5, 400, "SIGMOID")
    assert state.PresentationLUTShape == "INVERSE"


def test_a_modality_table_of_fewer_bits_is_shown_over_its_own_range():
    [voi] = state_of(Grey(ramp(0, 12, 4096))).SoftcopyVOILUTSequence
    assert (voi.WindowCenter, voi.WindowWidth) == (2048, 4096)


def test_nothing_is_written_of_what_was_not_applied():
    assert [one.keyword for one in state_of(Grey())] == ["PresentationLUTShape"]
