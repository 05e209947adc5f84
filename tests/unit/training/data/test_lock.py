"""A locked data set: a run ends before it begins where the films are others."""

import json

import pytest

from tests.support.films import draw, recipe_tree, write_films
from training.data.__main__ import main
from training.data.examples import DataError
from training.data.supply import read_examples
from training.recipe import Recipe


@pytest.fixture
def locked(tmp_path):
    """A small data set and a recipe that demands it."""
    manifest = write_films(tmp_path, 6, 3)
    lock = tmp_path / "films.lock.json"
    assert main(["freeze", str(manifest), "--out", str(lock)]) == 0
    return tmp_path, Recipe.check(recipe_tree(tmp_path, data__lock=str(lock)), "test")


def rewrite(root, change) -> None:
    path = root / "films.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *change(rows)]) + "\n")


def refused(recipe, counts) -> None:
    with pytest.raises(DataError, match=counts) as caught:
        read_examples(recipe)
    assert "\n" not in str(caught.value)


def test_the_films_that_were_frozen_pass(locked):
    root, recipe = locked
    assert len(read_examples(recipe)) == 9
    rewrite(root, lambda rows: rows[::-1])
    assert len(read_examples(recipe)) == 9


def test_a_lock_says_counts_and_no_patient(locked):
    root, _ = locked
    frozen = json.loads((root / "films.lock.json").read_text())
    assert frozen["patients"] == 9
    assert frozen["classes"]["train"] == {"fracture": 2, "metal": 2, "no_finding": 2}
    assert set(frozen["films"]) == {f"{n}.png" for n in range(9)}


def test_other_content_under_the_same_name_is_a_changed_film(locked):
    root, recipe = locked
    draw("metal", 99).save(root / "0.png")
    refused(recipe, "0 new, 0 gone, 1 changed")


def test_other_label_or_split_is_a_changed_film(locked):
    root, recipe = locked
    rewrite(root, lambda rows: [rows[0].replace("no_finding", "metal"), *rows[1:]])
    refused(recipe, "0 new, 0 gone, 1 changed")


def test_a_film_more_and_one_less_are_counted(locked):
    root, recipe = locked
    draw("metal", 99).save(root / "99.png")
    rewrite(root, lambda rows: [*rows[1:], "99.png,metal,train,p99,4,M,PA"])
    refused(recipe, "1 new, 1 gone, 0 changed")


def test_the_lock_holds_for_recipes_that_take_a_part_or_rename(locked):
    _, recipe = locked
    data = recipe.data.model_copy(
        update={"where": {"sex": "M"}, "rename": {"metal": "foreignbody"}}
    )
    classes = ("no_finding", "fracture", "foreignbody")
    part = recipe.model_copy(update={"data": data, "classes": classes})
    assert 0 < len(read_examples(part)) < 9


def test_folders_are_frozen_too(tmp_path):
    for split in ("train", "val"):
        for kind in ("fracture", "metal"):
            (tmp_path / "set" / split / kind).mkdir(parents=True)
            draw(kind, hash((split, kind)) % 1000).save(
                tmp_path / "set" / split / kind / f"{split}-{kind}.png"
            )
    lock = tmp_path / "lock.json"
    assert main(["freeze", str(tmp_path / "set"), "--out", str(lock)]) == 0
    tree = recipe_tree(tmp_path, data__folders=str(tmp_path / "set"), data__lock=str(lock))
    tree["classes"] = ["fracture", "metal"]
    del tree["data"]["manifest"]
    recipe = Recipe.check(tree, "test")
    assert len(read_examples(recipe)) == 4
    draw("metal", 5).save(tmp_path / "set" / "val" / "metal" / "new.png")
    refused(recipe, "1 new, 0 gone, 0 changed")


@pytest.mark.parametrize("content", [None, "", "{}", "[1]"])
def test_what_is_no_lock_is_said(locked, content):
    root, recipe = locked
    lock = root / "films.lock.json"
    lock.unlink() if content is None else lock.write_text(content)
    refused(recipe, "No such file" if content is None else "no lock file")


def test_a_lock_that_cannot_be_written_leaves_nothing(tmp_path, capsys):
    manifest = write_films(tmp_path / "set", 3, 3)
    (tmp_path / "file").write_text("")
    assert main(["freeze", str(manifest), "--out", str(tmp_path / "file" / "lock.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err
