"""Folders of radiographs as studies, and the objects that tests send."""

import csv

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from tests.support.encodings import LOSSLESS_SYNTAXES, encoded
from tests.support.objects import Exam, Patient, cr, dx, save, save_all, study_of
from tests.support.phantoms import chest, wrist
from tests.support.stored import Pixels
from tests.support.tools import validation_errors
from tests.support.wrap import studies_in

COLUMNS = (
    "file",
    "patient_id",
    "study_number",
    "gender",
    "age",
    "laterality",
    "projection",
    "pixel_spacing",
)
SMALL_MM = 1.0


@pytest.fixture
def wrists(tmp_path):
    """A manifest with one pair (16-bit PNG and JPEG) and a single film of the same patient."""
    folder = tmp_path / "wrists"
    folder.mkdir()
    ramp = np.arange(0, 65536, 8, dtype=np.uint16).reshape(64, 128)
    Image.fromarray(ramp).save(folder / "a.png")
    for name in ("b.jpg", "c.jpg"):
        Image.fromarray((ramp >> 8).astype(np.uint8)).convert("RGB").save(folder / name)
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerow(["b.jpg", 7, 1, "M", 14.1, "L", 2, 0.144])
        writer.writerow(["a.png", 7, 1, "M", 14.1, "L", 1, 0.144])
        writer.writerow(["c.jpg", 7, 2, "M", 14.9, "R", 1, 0.144])
    return folder


def test_images_of_one_patient_and_study_number_are_one_study(wrists, tmp_path):
    pair, single = studies_in(wrists, tmp_path / "out")
    headers = [dcmread(file) for file in (*pair.files, *single.files)]
    assert [len(pair.files), len(single.files)] == [2, 1]
    assert len({header.StudyInstanceUID for header in headers[:2]}) == 1
    assert len({header.PatientID for header in headers}) == 1
    assert [header.ViewPosition for header in headers] == ["PA", "LL", "PA"]
    assert [header.ImageLaterality for header in headers] == ["L", "L", "R"]
    assert [header.PatientAge for header in headers] == ["014Y"] * 3


def test_sixteen_bit_picture_keeps_every_grey_value(wrists, tmp_path):
    pair, _single = studies_in(wrists, tmp_path / "out")
    wrapped = dcmread(pair.files[0])
    assert wrapped.BitsStored == 16
    assert np.array_equal(wrapped.pixel_array, np.asarray(Image.open(wrists / "a.png")))


def test_dicom_files_are_sent_as_they_are_whatever_lies_beside_them(tmp_path):
    file = save(dx(wrist(spacing_mm=SMALL_MM)), tmp_path / "in.dcm")
    (tmp_path / "notes.txt").write_text("no DICOM")
    (study,) = studies_in(tmp_path, tmp_path / "out")
    assert study.files == (file,)


def test_folder_without_radiographs_is_refused_and_the_message_says_what_is_wanted(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"manifest\.csv"):
        studies_in(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_every_encoding_holds_the_same_picture(syntax, tmp_path):
    picture = wrist(spacing_mm=SMALL_MM)
    file = save(encoded(dx(picture), syntax), tmp_path / "encoded.dcm")
    read = dcmread(file)
    assert read.file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(read.pixel_array, picture)


def test_the_same_seed_draws_the_same_film_and_another_seed_another():
    first, second, other = (wrist(seed=seed, spacing_mm=SMALL_MM) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.acceptance
def test_objects_that_tests_send_pass_dciodvfy(tmp_path):
    small = wrist(spacing_mm=SMALL_MM)
    for image in (
        *study_of([("PA", small), ("LAT", wrist("LAT", spacing_mm=SMALL_MM)), ("OBL", small)]),
        dx(small, pixels=Pixels(photometric="MONOCHROME1", voi_lut=True)),
        dx(chest(spacing_mm=4.0), exam=Exam(Patient(), body_part="CHEST", laterality="")),
        cr(small, pixels=Pixels(signed=True, slope=0.5, intercept=-100, padding=-2048)),
    ):
        assert validation_errors(image, tmp_path) == []


def test_saved_files_are_numbered_in_the_order_of_the_study(tmp_path):
    files = save_all(study_of([("PA", wrist(spacing_mm=SMALL_MM))] * 2), tmp_path / "study")
    assert [file.name for file in files] == ["001.dcm", "002.dcm"]
