"""Raw detector values become what a film's processing would begin with."""

import numpy as np
import pytest
from pydicom.uid import DigitalXRayImageStorageForProcessing

from daemon.dicom.grey import Grey
from daemon.reading.decoding.film import NotReadable, decode
from daemon.reasons import Note, Reason
from model.pixels import PixelProfile, to_unit
from tests.support import phantoms
from tests.support.objects import dx, save
from tests.support.stored import Pixels

PROFILE = PixelProfile(size=224)
ATTENUATION = 4.5 / 4095
ALIKE = 5e-3
"""Rounding to 14 bits, in parts of the range of greys."""


@pytest.fixture(scope="module")
def picture():
    return phantoms.wrist("PA", "L", spacing_mm=0.5)


def raw(picture, tmp_path, *, sign=1, relationship="LIN", photometric="MONOCHROME1", **changes):
    """Store what the detector saw of a film: 14 bits, the direct exposure near the top."""
    dose = np.round(16000 * np.exp(-ATTENUATION * picture.astype(float))).astype(np.uint16)
    film = dx(dose if sign == 1 else 16383 - dose, pixels=Pixels(bits=14))
    film.PresentationIntentType = "FOR PROCESSING"
    film.PhotometricInterpretation = photometric
    film.PixelIntensityRelationship, film.PixelIntensityRelationshipSign = relationship, sign
    for keyword, value in changes.items():
        setattr(film, keyword, value)
    return save(film, tmp_path / "raw.dcm")


def shown(file):
    return to_unit(decode(file, 10**8).radiograph, PROFILE)[0]


def plain(picture, tmp_path):
    return shown(save(dx(picture), tmp_path / "plain.dcm"))


@pytest.mark.parametrize("sign", [1, -1])
def test_linear_values_are_read_after_a_logarithm(picture, tmp_path, sign):
    file = raw(picture, tmp_path, sign=sign)
    decoded = decode(file, 10**8)
    assert decoded.notes == (Note.LOGARITHM,)
    assert decoded.grey == Grey(inverted=sign == 1)
    assert np.abs(shown(file) - plain(picture, tmp_path)).max() < ALIKE


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_sign_says_what_is_bright_not_the_photometric_interpretation(
    picture, tmp_path, photometric
):
    file = raw(picture, tmp_path, photometric=photometric)
    assert np.abs(shown(file) - plain(picture, tmp_path)).max() < ALIKE


def test_without_a_sign_the_photometric_interpretation_says_it(picture, tmp_path):
    file = raw(picture, tmp_path, PixelIntensityRelationshipSign=None, PresentationLUTShape="")
    assert np.abs(shown(file) - plain(picture, tmp_path)).max() < ALIKE


def test_windows_of_raw_values_are_not_used(picture, tmp_path):
    file = raw(picture, tmp_path, WindowCenter="100", WindowWidth="50")
    assert decode(file, 10**8).grey.voi is None
    assert np.abs(shown(file) - plain(picture, tmp_path)).max() < ALIKE


@pytest.mark.parametrize("relationship", ["LOG", "DISP"])
def test_values_that_are_logarithmic_already_are_read_as_they_are(picture, tmp_path, relationship):
    file = raw(picture, tmp_path, relationship=relationship)
    decoded = decode(file, 10**8)
    assert decoded.notes == ()
    assert decoded.radiograph.inverted
    assert decoded.radiograph.values.max() > 10000


@pytest.mark.parametrize("relationship", ["", "SQRT", "PATIENT NAME"])
def test_raw_values_of_which_nobody_says_what_they_are_are_refused(picture, tmp_path, relationship):
    with pytest.raises(NotReadable) as caught:
        decode(raw(picture, tmp_path, relationship=relationship), 10**8)
    assert caught.value.reason is Reason.FOR_PROCESSING
    assert "PATIENT" not in str(caught.value)


def test_the_sop_class_alone_says_it_too(picture, tmp_path):
    file = raw(
        picture,
        tmp_path,
        PresentationIntentType="",
        SOPClassUID=DigitalXRayImageStorageForProcessing,
    )
    assert decode(file, 10**8).notes == (Note.LOGARITHM,)


def test_dead_pixels_do_not_stretch_the_greys(picture, tmp_path):
    """A logarithm of nothing would be as far from the film as the film is wide."""
    dose = 16000 * np.exp(-ATTENUATION * picture.astype(float))
    dose[::9, ::9] = 0
    film = dx(np.round(dose).astype(np.uint16), pixels=Pixels(bits=14))
    film.PresentationIntentType, film.PixelIntensityRelationship = "FOR PROCESSING", "LIN"
    film.PixelIntensityRelationshipSign = 1
    values = decode(save(film, tmp_path / "dead.dcm"), 10**8).radiograph.values
    assert np.ptp(values) == pytest.approx(np.log(1000), abs=0.1)
