"""What `check` finds in a data set, each fault put there on purpose."""

import numpy as np
import pytest
from PIL import Image

from tests.support import phantoms
from tests.support.films import draw, recipe_tree, write_films
from tests.support.objects import dx, save
from tests.support.stored import Pixels
from training.data.__main__ import main
from training.data.alike import alike, fingerprint
from training.data.examples import DataError
from training.data.supply import prepare, read_examples
from training.recipe import Recipe


def lines(manifest, capsys, *words) -> list[str]:
    """Return what `check` prints, and see that its status says whether there is anything."""
    status = main(["check", str(manifest), *words])
    found = capsys.readouterr().out.splitlines()
    assert status == int(bool(found))
    return found


def append(manifest, row) -> None:
    with manifest.open("a") as stream:
        stream.write(row + "\n")


@pytest.fixture
def manifest(tmp_path):
    """Films of noise, which no other film looks like."""
    path = write_films(tmp_path, 6, 3)
    for number in range(9):
        draw("no_finding", number).save(tmp_path / f"{number}.png")
    return path


@pytest.fixture(scope="module")
def wrist():
    return phantoms.wrist()[::2, ::2].copy()


def test_a_sound_data_set_has_no_problem(manifest, capsys):
    assert lines(manifest, capsys) == []


def test_a_file_that_is_no_picture_is_a_problem_and_the_others_are_looked_at(manifest, capsys):
    (manifest.parent / "1.png").write_bytes(b"no picture")
    (manifest.parent / "4.png").write_bytes((manifest.parent / "4.png").read_bytes()[:500])
    found = lines(manifest, capsys)
    assert [line.split(":")[0].rsplit("/")[-1] for line in found] == ["1.png", "4.png"]


def test_a_label_that_is_no_finding_is_named_once(manifest, capsys):
    append(manifest, "0.png,gout,train,p0,,,")
    found = lines(manifest, capsys, "--where", "labels=gout")
    assert found == ["label 'gout' of 1 films is no finding; --rename gout=FINDING"]
    assert lines(manifest, capsys, "--where", "labels=gout", "--rename", "gout=fracture") == []


def test_the_same_content_with_another_label_is_a_problem_and_ends_a_run(manifest, capsys):
    copy = manifest.parent / "copy.png"
    copy.write_bytes((manifest.parent / "1.png").read_bytes())
    append(manifest, "copy.png,metal,train,p1,,,")
    assert "copy.png: has the content of" in lines(manifest, capsys)[0]
    recipe = Recipe.check(recipe_tree(manifest.parent), "test")
    with pytest.raises(DataError, match=r"1 films have the content of another .*copy\.png"):
        read_examples(recipe)


def test_a_patient_in_two_splits_is_told_by_films(manifest, capsys):
    text = manifest.read_text().replace(",val,p8,", ",val,p0,")
    manifest.write_text(text)
    [line] = lines(manifest, capsys)
    assert line.endswith("the same patient")
    assert "0.png (train)" in line
    assert "8.png (val)" in line
    assert "p0" not in line.replace(str(manifest.parent), "")


def test_a_file_that_was_exchanged_is_told_by_its_hash(manifest, capsys):
    header, first, *rows = manifest.read_text().splitlines()
    rows = [f"{row}," for row in rows]
    manifest.write_text("\n".join([f"{header},sha256", f"{first},{'0' * 64}", *rows]) + "\n")
    [line] = lines(manifest, capsys)
    assert "0.png: is not the file" in line


def test_a_film_saved_anew_in_another_split_looks_alike(manifest, wrist, capsys):
    folder = manifest.parent
    save(dx(wrist, pixels=Pixels(photometric="MONOCHROME1")), folder / "a.dcm")
    small = Image.fromarray((wrist >> 4).astype(np.uint8)).resize((200, 290))
    small.save(folder / "b.jpg", quality=60)
    other = phantoms.wrist("LAT", seed=3)[::2, ::2]
    Image.fromarray((other >> 4).astype(np.uint8)).save(folder / "c.png")
    for name, split in (("a.dcm", "train"), ("b.jpg", "val"), ("c.png", "val")):
        append(manifest, f"{name},fracture,{split},{name},,,")
    [line] = lines(manifest, capsys)
    assert "a.dcm (train)" in line
    assert "b.jpg (val): look alike" in line


def test_pairs_are_found_across_blocks_and_only_on_different_sides():
    rng = np.random.default_rng(0)
    prints = rng.normal(size=(1300, 1024)).astype(np.float32)
    prints /= np.linalg.norm(prints, axis=1, keepdims=True)
    prints[1290] = prints[5]
    prints[7] = prints[3]
    sides = ["train"] * 1000 + ["val"] * 300
    assert list(alike(list(prints), sides)) == [(5, 1290)]


def test_a_film_without_contrast_has_no_fingerprint(tmp_path):
    Image.new("L", (40, 40), 7).save(tmp_path / "flat.png")
    with pytest.raises(DataError, match="no contrast"):
        fingerprint(tmp_path / "flat.png")


def test_labels_of_another_task_end_a_run(manifest):
    recipe = Recipe.check(recipe_tree(manifest.parent, data__rename={"metal": "gout"}), "test")
    with pytest.raises(DataError, match="label 'gout' is not one of"):
        read_examples(recipe)


def test_a_dicom_film_that_cannot_be_read_ends_a_run_before_it(manifest, wrist):
    film = dx(wrist)
    film.PixelData = film.PixelData[:1000]
    save(film, manifest.parent / "cut.dcm")
    append(manifest, "cut.dcm,metal,train,p99,,,")
    recipe = Recipe.check(recipe_tree(manifest.parent), "test")
    with pytest.raises(DataError, match=r"^1 films cannot be read, .*cut\.dcm: "):
        prepare(recipe, read_examples(recipe))


@pytest.mark.parametrize("words", [["--rename", "x"], ["--layout", "mura"], ["--where", "sex=X"]])
def test_a_data_set_that_cannot_be_read_has_status_two(manifest, capsys, words):
    assert main(["list", str(manifest), *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.long
def test_the_real_chest_films_of_both_splits_are_different_films(real_data, capsys):
    words = [f"--rename={name}=pneumonia" for name in ("bacteria", "virus")]
    manifest = real_data / "chest_kermany" / "manifest.csv"
    assert lines(manifest, capsys, *words, "--rename=normal=no_finding") == []
