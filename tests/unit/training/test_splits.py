from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.support.films import KINDS, draw, recipe_tree, write_films
from training.data.examples import DataError, Example, read_folders, read_manifest
from training.data.splits import (
    OverlapError,
    counts,
    data_hash,
    folds_by_patient,
    overlaps,
    read_split,
    split_by_patient,
    write_split,
)
from training.data.supply import prepare, read_examples
from training.recipe import Recipe

CLASSES = ("fracture", "metal")


def example(number: int, patient: str = "", split: str = "train", label: str = "metal") -> Example:
    return Example(
        Path(f"{number}.png"),
        (label,),
        split,
        patient or f"p{number}",
        f"s{number}",
        f"{number:064}",
    )


def write_folders(root: Path, copies: bool = False) -> None:
    for split in ("train", "val"):
        for index, kind in enumerate(CLASSES):
            folder = root / split / str(index)
            folder.mkdir(parents=True)
            for number in range(3):
                patient = number + 10 * index + 100 * (split == "val")
                stem = f"{patient:04}_{number:010}_01_WRI-L1_M010"
                draw(kind, number).save(folder / f"{stem}.png")
    if copies:
        stem = "0000_0000000000_01_WRI-L1_M010"
        draw("fracture", 99).save(root / "train" / "0" / f"{stem}-1.png")
        draw("fracture", 98).save(root / "val" / "0" / f"{stem}-2.png")


def refused(root: Path, message: str, **changes: object) -> None:
    recipe = Recipe.check(recipe_tree(root, **changes), "test")
    with pytest.raises(DataError, match=message):
        prepare(recipe, read_examples(recipe))


def test_split_keeps_patients_together_and_classes_in_shares():
    films = [example(i, f"p{i // 3}", label=CLASSES[i // 3 % 2]) for i in range(300)]
    dealt = split_by_patient(films, {"train": 0.7, "val": 0.1, "test": 0.2}, seed=1)
    assert overlaps(dealt) == {}
    for label in CLASSES:
        assert counts(dealt)["test"][label] == pytest.approx(30, abs=6)
    assert dealt == split_by_patient(films, {"train": 0.7, "val": 0.1, "test": 0.2}, seed=1)


def test_shares_that_do_not_make_a_whole_are_refused():
    with pytest.raises(DataError, match="sum to 1"):
        split_by_patient([example(1)], {"train": 0.5, "val": 0.1}, seed=1)


@pytest.mark.parametrize("kind", ["patient", "source", "sha256"])
def test_anything_in_two_splits_is_an_overlap(kind):
    left, right = example(1), example(2, split="val")
    same = replace(right, **{kind: getattr(left, kind)})
    assert overlaps([left, right]) == {}
    assert overlaps([left, same]) == {kind: 1}


def test_folds_hold_every_film_once_and_share_no_patient():
    films = [example(i, f"p{i // 2}", label=CLASSES[i // 2 % 2]) for i in range(60)]
    folds = folds_by_patient(films, 3, seed=0)
    held = [film.source for _, part in folds for film in part]
    assert sorted(held) == sorted(film.source for film in films)


def test_manifest_changed_by_hand_is_refused(tmp_path):
    path = write_films(tmp_path)
    written = write_split(tmp_path / "split", read_manifest(path), {"seed": 1})
    assert len(read_split(written)) == 36
    written.write_text(written.read_text().replace("fracture", "metal", 1))
    with pytest.raises(DataError, match="changed since the split was made"):
        read_split(written)


def test_written_manifest_reads_back_the_same(tmp_path):
    films = read_manifest(write_films(tmp_path))
    again = read_split(write_split(tmp_path / "split", films, {}))
    assert again == films
    assert data_hash(again) == data_hash(films)


def test_patient_in_two_splits_is_refused(tmp_path):
    path = write_films(tmp_path)
    path.write_text(path.read_text().replace(",val,p35,", ",val,p0,"))
    refused(tmp_path, "1 patient values lie in more than one split")


def test_copy_of_one_film_on_both_sides_is_refused_unless_declared(tmp_path):
    write_folders(tmp_path, copies=True)
    changes = {"data": {"folders": str(tmp_path)}, "classes": list(CLASSES)}
    with pytest.raises(OverlapError, match="1 source"):
        read_examples(Recipe.check(recipe_tree(tmp_path, **changes), "test"))
    declared = {"data": {"folders": str(tmp_path), "overlap": "declare"}}
    recipe = Recipe.check(recipe_tree(tmp_path, **(changes | declared)), "test")
    assert len(read_examples(recipe)) == 14


def test_published_folders_are_read_by_index(tmp_path):
    write_folders(tmp_path)
    films = read_folders(tmp_path, CLASSES)
    assert counts(films) == {
        "train": {"fracture": 3, "metal": 3},
        "val": {"fracture": 3, "metal": 3},
    }
    assert films[0].age == 10.0


def test_stray_file_in_a_class_folder_is_not_a_film(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "train" / "0" / "Thumbs.db").write_bytes(b"x")
    assert len(read_folders(tmp_path, CLASSES)) == 12


def test_empty_class_folder_is_refused(tmp_path):
    write_folders(tmp_path)
    for film in (tmp_path / "val" / "1").iterdir():
        film.unlink()
    with pytest.raises(DataError, match="no pictures of class 'metal'"):
        read_folders(tmp_path, CLASSES)


def test_folder_of_no_class_is_refused(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "train" / "7").mkdir()
    with pytest.raises(DataError, match="no class of"):
        read_folders(tmp_path, CLASSES)


def test_class_without_films_to_learn_from_is_refused(tmp_path):
    write_films(tmp_path)
    classes = [*KINDS, "softtissue"]
    refused(tmp_path, "there is no film of softtissue", classes=classes)


def test_label_outside_the_list_is_refused(tmp_path):
    write_films(tmp_path)
    refused(tmp_path, "'metal' is not one of", classes=["no_finding", "fracture"])


def test_second_label_is_refused_where_one_is_needed(tmp_path):
    path = write_films(tmp_path)
    path.write_text(path.read_text().replace(",fracture,", ",fracture;metal,", 1))
    refused(tmp_path, "2 labels")


@pytest.mark.parametrize("damage", ["cut", "text"])
def test_unreadable_picture_is_refused_before_training(tmp_path, damage):
    write_films(tmp_path)
    path = tmp_path / "4.png"
    path.write_bytes(path.read_bytes()[:900] if damage == "cut" else b"no picture")
    refused(tmp_path, r"4\.png")


def test_picture_without_contrast_is_refused(tmp_path):
    write_films(tmp_path)
    Image.new("L", (60, 80), 7).save(tmp_path / "4.png")
    refused(tmp_path, "no contrast")


def test_missing_file_and_missing_column_are_refused(tmp_path):
    path = write_films(tmp_path)
    (tmp_path / "4.png").unlink()
    refused(tmp_path, "1 files do not exist|No such file")
    path.write_text("file,labels\na.png,metal\n")
    refused(tmp_path, "columns are missing: patient, split")


def test_sixteen_bit_film_keeps_more_than_256_values(tmp_path):
    write_films(tmp_path)
    for geometry in ("letterbox", "legacy_510_384"):
        recipe = Recipe.check(recipe_tree(tmp_path, data__geometry=geometry), "test")
        supply = prepare(recipe, read_examples(recipe))
        assert len(supply.train[1].unique()) > 256
