"""Sources that nobody should send: results pass the gate, or say why there is no analysis."""

from dataclasses import replace

import numpy as np
import pytest
from pydicom import DataElement, config, dcmread
from pydicom.datadict import tag_for_keyword

from daemon.reading.decoding.film import decode
from daemon.records import Category, Reason
from daemon.results.build import build_results
from daemon.results.outbox import write
from daemon.settings import ReportSettings
from tests.support.headers import header_of
from tests.support.objects import dx
from tests.support.opening import reader
from tests.support.phantoms import wrist
from tests.unit.daemon.reading.test_read import NOW, ConstantNetwork, job, package  # noqa: F401

pytestmark = pytest.mark.acceptance
PICTURE = wrist("PA", spacing_mm=0.6, fracture=True)
LARGE = 8000
MOST_PIXELS = 10**8


def _without(*keywords):
    def spoil(source):
        for keyword in keywords:
            source.pop(keyword, None)

    return spoil


def _with_long_names(source):
    for keyword in ("PatientName", "ReferringPhysicianName"):
        tag = tag_for_keyword(keyword)
        source[tag] = DataElement(tag, "PN", "N" * 200, validation_mode=config.IGNORE)


def _with_a_palette(source):
    rows, columns = source.Rows, source.Columns
    source.PhotometricInterpretation = "PALETTE COLOR"
    source.BitsAllocated = source.BitsStored = 8
    source.HighBit = 7
    source.PixelData = bytes(rows * columns + rows * columns % 2)
    for colour in ("Red", "Green", "Blue"):
        setattr(source, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(source, f"{colour}PaletteColorLookupTableData", bytes(512))


def _of_one_pixel(source):
    source.Rows = source.Columns = 1
    source.PixelData = b"\1\0"


def _with_flat_pixels(source):
    _without("PixelSpacing", "ImagerPixelSpacing", "PixelSpacingCalibrationType")(source)
    _without("PixelSpacingCalibrationDescription")(source)
    source.PixelAspectRatio = [2, 1]


ANALYSED = {
    "no PatientID": _without("PatientID", "IssuerOfPatientID"),
    "names of 200 characters": _with_long_names,
    "no laterality": _without("ImageLaterality", "Laterality", "AnatomicRegionSequence"),
    "pixels twice as high as wide": _with_flat_pixels,
    "no StudyDate": _without("StudyDate", "StudyTime"),
}
NOT_ANALYSED = {
    "palette": (_with_a_palette, Reason.NOT_A_RADIOGRAPH),
    "1 x 1": (_of_one_pixel, Reason.TOO_SMALL),
}


def read(package, folder, source, max_pixels=MOST_PIXELS):  # noqa: F811
    """Read a source as the daemon does; return the reading and its results as they are on disk."""
    one = replace(
        reader(package, folder, ConstantNetwork()), decode=lambda file: decode(file, max_pixels)
    )
    work = job(folder, source)
    instance = replace(work.instances[0], header=header_of(source))
    work = replace(work, instances=(instance,))
    reading = one.read(work, NOW)
    results = build_results(reading, ReportSettings(presentation_state=True))
    files = write(results, folder / "outbox", reading.study_uid)
    return reading, {one.kind: dcmread(folder / "outbox" / one.file) for one in files}


@pytest.mark.parametrize("spoil", ANALYSED.values(), ids=ANALYSED)
def test_a_poor_header_is_analysed_all_the_same(package, tmp_path, spoil):  # noqa: F811
    source = dx(PICTURE)
    spoil(source)
    reading, results = read(package, tmp_path, source)
    assert reading.category is Category.POSITIVE
    assert {"report", "summary", "annotated", "presentation state"} <= set(results)
    for keyword in ("PatientID", "StudyDate"):
        assert results["report"].get(keyword) == source.get(keyword, "")


@pytest.mark.parametrize(("spoil", "reason"), NOT_ANALYSED.values(), ids=NOT_ANALYSED)
def test_pixels_that_are_no_radiograph_are_not_analysed(package, tmp_path, spoil, reason):  # noqa: F811
    source = dx(PICTURE)
    spoil(source)
    reading, results = read(package, tmp_path, source)
    assert (reading.category, reading.reason) == (Category.NOT_ANALYSED, reason)
    assert set(results) == {"report", "summary"}


def test_proportions_of_pixels_are_passed_on(package, tmp_path):  # noqa: F811
    source = dx(PICTURE)
    _with_flat_pixels(source)
    copy = read(package, tmp_path, source)[1]["annotated"]
    assert list(copy.PixelAspectRatio) == [2, 1]
    assert "PixelSpacing" not in copy


@pytest.fixture(scope="module")
def large():
    rows, columns = (np.linspace(0, side - 1, LARGE).astype(int) for side in PICTURE.shape)
    return dx(PICTURE[np.ix_(rows, columns)])


def test_a_reduced_copy_of_a_large_image_measures_like_its_source(package, tmp_path, large):  # noqa: F811
    reading, results = read(package, tmp_path, large)
    assert reading.category is Category.POSITIVE
    copy = results["annotated"]
    width_mm = large.Columns * float(large.PixelSpacing[1])
    assert copy.Columns < LARGE
    assert copy.Columns * float(copy.PixelSpacing[1]) == pytest.approx(width_mm, rel=1e-3)
    assert copy.PixelSpacing[0] == copy.PixelSpacing[1]


def test_an_image_beyond_the_settings_limit_is_not_decoded(package, tmp_path, large):  # noqa: F811
    reading, results = read(package, tmp_path, large, max_pixels=10**7)
    assert (reading.category, reading.reason) == (Category.NOT_ANALYSED, Reason.TOO_LARGE)
    assert set(results) == {"report", "summary"}
