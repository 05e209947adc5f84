"""DICOM films: the network's input in training is the daemon's, bit for bit."""

import csv

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from daemon.reading.child import answer
from daemon.reading.decoded import decoded_from
from daemon.settings import Reading
from model.pixels import PixelProfile, prepare
from tests.support import phantoms
from tests.support.encodings import encoded
from tests.support.films import KINDS, draw, recipe_tree
from tests.support.objects import EXAM, cr, dx, save
from tests.support.stored import Pixels
from training import infer, train
from training.data.examples import DataError, Example
from training.data.films import Films
from training.data.radiographs import (
    circumstances,
    coding_of,
    read_radiograph,
    refuse_unreadable,
)
from training.recipe import Recipe

PROFILE = PixelProfile(size=64)
STORED = {
    "plain": Pixels(),
    "white is least": Pixels(photometric="MONOCHROME1"),
    "window that cuts": Pixels(window=(1500, 900)),
    "table": Pixels(voi_lut=True),
    "signed, padded": Pixels(signed=True, intercept=-1024, padding=-2000),
    "ten bits": Pixels(bits=10),
    "uneven spacing": Pixels(extra={"ImagerPixelSpacing": [0.2, 0.1]}),
}


def example(path) -> Example:
    return Example(path, (), "train", "p", path.stem, "0")


def trained_on(path):
    """Return the input of training, float32 [3, 64, 64]."""
    return Films([example(path)], "letterbox", PROFILE, keep=False).inputs([0])[0].numpy()


def read_by_the_daemon(path):
    """Return the daemon's input, out of what its child process sends."""
    return prepare(decoded_from(*answer("decode", path, Reading())).radiograph, PROFILE)[0]


@pytest.fixture(scope="module")
def picture():
    return phantoms.wrist()[::4, ::4].copy()


@pytest.mark.parametrize("pixels", STORED.values(), ids=STORED)
@pytest.mark.parametrize("make", [dx, cr])
def test_training_sees_what_the_daemon_sees(tmp_path, picture, make, pixels):
    values = picture >> (12 - pixels.bits)
    path = save(make(values, pixels=pixels), tmp_path / "film.dcm")
    assert np.array_equal(trained_on(path), read_by_the_daemon(path))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLosslessSV1, JPEG2000Lossless])
def test_compressed_films_are_the_same_films(tmp_path, picture, syntax):
    plain = save(dx(picture), tmp_path / "plain.dcm")
    path = save(encoded(dx(picture), syntax), tmp_path / "film.dcm")
    assert np.array_equal(trained_on(path), trained_on(plain))
    assert np.array_equal(trained_on(path), read_by_the_daemon(path))


def test_real_dicom_films_are_the_same_in_training(real_data):
    folder = real_data / "dicom"
    with (folder / "manifest.csv").open() as stream:
        names = [row["file"] for row in csv.DictReader(stream)]
    for name in names:
        path = folder / name
        assert np.array_equal(trained_on(path), read_by_the_daemon(path)), name
    refuse_unreadable(example(folder / name) for name in names)


@pytest.mark.parametrize("name", ["film", "1.2.840.113619.2.5", "IM0001.DCM"])
def test_dicom_is_known_by_how_it_begins_where_the_name_says_nothing(tmp_path, picture, name):
    path = save(dx(picture), tmp_path / name)
    assert coding_of(path) == (picture.size, "DICOM")
    assert read_radiograph(path).values.shape == picture.shape


def test_the_paper_geometry_goes_from_darkest_to_brightest_and_turns_inverted_films(
    tmp_path, picture
):
    paths = [
        save(dx(picture, pixels=Pixels(photometric=kind)), tmp_path / f"{kind}.dcm")
        for kind in ("MONOCHROME1", "MONOCHROME2")
    ]
    films = Films([example(path) for path in paths], "legacy_510_384", PROFILE, keep=True)
    assert np.allclose(films[0], films[1], atol=1e-5)
    assert films[0].min() < 0.1 < 0.7 < films[0].max()


def test_the_paper_geometry_of_pictures_is_a_share_of_the_depth(tmp_path):
    draw("metal", 1).save(tmp_path / "film.png")
    [film] = Films([example(tmp_path / "film.png")], "legacy_510_384", PROFILE, keep=True)
    values = Image.fromarray(read_radiograph(tmp_path / "film.png").values)
    small = np.asarray(values.resize(film.shape, Image.Resampling.BILINEAR))
    assert np.array_equal(film.numpy(), np.clip(small / np.float32(65535), 0, 1))


def test_a_header_tells_circumstances_and_no_identity(tmp_path, picture):
    path = save(dx(picture, "LAT"), tmp_path / "film.dcm")
    told = circumstances(path)
    assert told == {"age": "45", "sex": "F", "view": "LAT", "laterality": EXAM.laterality}


def no_image(picture):
    film = dx(picture)
    for name in ("PixelData", "Rows", "Columns"):
        del film[name]
    return film


def cut(picture):
    film = dx(picture)
    film.PixelData = film.PixelData[: picture.size]
    return film


def colour(picture):
    film = dx(picture)
    film.PhotometricInterpretation = "PALETTE COLOR"
    return film


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (no_image, "the object has no image"),
        (cut, "pixel data are too short"),
        (colour, "is not monochrome"),
    ],
)
def test_a_dicom_file_that_is_no_film_is_named_with_its_reason(tmp_path, picture, broken, reason):
    path = save(broken(picture), tmp_path / "film.dcm")
    with pytest.raises(DataError, match=rf"film\.dcm: .*{reason}"):
        read_radiograph(path)
    with pytest.raises(DataError, match=rf"^1 films cannot be read, .*film\.dcm: .*{reason}$"):
        refuse_unreadable([example(path)])


@pytest.mark.parametrize("content", [b"", b"no DICOM", b"\0" * 128 + b"DICM"])
def test_what_only_claims_to_be_dicom_is_one_line(tmp_path, content):
    path = tmp_path / "film.dcm"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"film\.dcm: the file"):
        read_radiograph(path)
    with pytest.raises(DataError, match=r"film\.dcm: the file"):
        coding_of(path)


def test_a_recipe_trains_on_dicom_films_and_a_folder_of_them_is_read(tmp_path, capsys):
    rows = ["file,labels,split,patient,age,sex"]
    (tmp_path / "films").mkdir()
    for number in range(18):
        kind, split = KINDS[number % 3], "train" if number < 12 else "val"
        picture = (np.asarray(draw(kind, number)) >> 4).astype(np.uint16)
        save(dx(picture), tmp_path / "films" / f"{number}.dcm")
        rows.append(f"films/{number}.dcm,{kind},{split},p{number},5,M")
    (tmp_path / "films.csv").write_text("\n".join(rows))
    tree = recipe_tree(tmp_path, optimiser__epochs=1, watch__baselines=True)
    best, _ = train.train(Recipe.check(tree, "test"))
    assert infer.main([str(best), str(tmp_path / "films"), "--out", str(tmp_path / "read")]) == 0
    assert "18 pictures" in capsys.readouterr().out
