"""Whatever can be evaluated gives the same files: a checkpoint, a package, in every stratum."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tests.support.films import draw, recipe_tree, write_films
from training import compare, evaluate, infer
from training.data.examples import STRATA, Example
from training.data.supply import prepare, read_examples
from training.judging.assessment import by_stratum
from training.recipe import Recipe
from training.run.keep import Keeper
from training.run.ranks import join
from training.run.resuming import SaveError
from training.run.start import start
from training.train import main as train_main

PACKAGE = Path(__file__).parents[3] / "model" / "packages" / "wrist-demo"


def films_of_two_kinds(count: int) -> list[Example]:
    return [
        Example(
            path=Path(f"{n}.png"),
            labels=("fracture",) if n % 2 else (),
            split="test",
            patient=f"p{n // 2}",
            source=str(n),
            sha256=f"{n:064}",
            age=float(n % 20),
            sex="MF"[n // 2 % 2],
            view=("PA", "LAT", "OBL")[n % 3],
            laterality="LR"[n // 3 % 2],
            device=("Siemens", "Agfa")[n // 5 % 2],
            cast=str(n // 7 % 2),
            metal=str(n // 11 % 2),
        )
        for n in range(count)
    ]


def test_every_stratum_has_its_own_figures_with_intervals():
    films = films_of_two_kinds(120)
    truth = np.array([bool(film.labels) for film in films])
    noise = np.random.default_rng(0).normal(size=120)
    logits = np.stack([np.zeros(120), 2 * truth - 1 + noise], axis=1).astype(np.float32)
    classes = ("no_finding", "fracture")
    strata = by_stratum(logits, films, classes, "softmax", {"temperature": 1.0})
    assert set(strata) == set(STRATA)
    assert set(strata["age_band"]) == {"0-2", "3-6", "7-10", "11-14", "15-17", "18+"}
    women = strata["sex"]["F"]["fracture"]
    rows = [row for row, film in enumerate(films) if film.sex == "F"]
    hit = (logits[rows].argmax(axis=1) == 1)[truth[rows]].mean()
    value, low, high = women["sensitivity"]
    assert value == pytest.approx(float(hit))
    assert low < value < high


def test_package_is_evaluated_into_the_same_files_as_a_checkpoint(tmp_path):
    manifest = write_films(tmp_path, train=3, val=6)
    command = [str(PACKAGE), "--manifest", str(manifest), "--split", "val"]
    out = tmp_path / "judged"
    words = ["--rename", "metal=fracture", "--out", str(out)]
    assert evaluate.main([*command, *words]) == 0
    names = {"eval_results.txt", "evaluation.json", "findings.csv", "strata.csv", "confusion.png"}
    assert {path.name for path in out.iterdir()} == names
    report = json.loads((out / "evaluation.json").read_text())
    assert report["head"] == "answer"
    assert report["films"] == 6
    assert np.sum(report["confusion"]) == 6
    assert "    answer-top-1 " in (out / "eval_results.txt").read_text()


def test_package_reads_a_folder_without_labels_into_a_table(tmp_path):
    (tmp_path / "in").mkdir()
    for seed, kind in enumerate(("fracture", "no_finding")):
        draw(kind, seed).save(tmp_path / "in" / f"{kind}.png")
    out = tmp_path / "out"
    assert infer.main([str(PACKAGE), str(tmp_path / "in"), "--out", str(out)]) == 0
    with (out / "infer_result.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["original_label"] for row in rows] == ["", ""]
    assert all(
        float(row["no_finding"]) + float(row["fracture"]) == pytest.approx(1) for row in rows
    )
    assert not (out / "infer_results.txt").exists()


@pytest.mark.parametrize("command", [evaluate.main, infer.main], ids=["evaluate", "infer"])
def test_unreadable_subject_ends_with_a_message_and_no_traceback(command, tmp_path, capsys):
    (tmp_path / "broken.pt").write_bytes(b"no checkpoint")
    films = [str(tmp_path)] if command is infer.main else ["--folders", str(tmp_path)]
    assert command([str(tmp_path / "broken.pt"), *films, "--out", str(tmp_path / "out")]) == 2
    assert "cannot be evaluated" in capsys.readouterr().err


def test_unreadable_picture_in_a_folder_is_named(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert infer.main([str(PACKAGE), str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "a.png" in capsys.readouterr().err


def test_checkpoint_that_cannot_be_written_is_a_clear_error(tmp_path):
    write_films(tmp_path)
    recipe = Recipe.check(recipe_tree(tmp_path), "test")
    supply = prepare(recipe, read_examples(recipe))
    run = start(recipe, supply, join())
    keeper = Keeper(recipe, supply, run.ranks.device, {})
    (recipe.out / "last.pt").mkdir(parents=True)
    with pytest.raises(SaveError, match="the one before is kept"):
        keeper.keep(run, ended=False)


def test_comparison_over_spoilt_films_ends_with_a_message(tmp_path, capsys):
    write_films(tmp_path)
    (tmp_path / "4.png").write_bytes(b"no picture")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe_tree(tmp_path)))
    (tmp_path / "variants.yaml").write_text("pim: []\n")
    files = [
        "--config",
        str(tmp_path / "recipe.yaml"),
        "--variants",
        str(tmp_path / "variants.yaml"),
    ]
    assert compare.main(files) == 2
    assert "4.png" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["weights", "published_weights"])
def test_initial_weights_of_another_network_end_the_run_before_it_starts(tmp_path, capsys, name):
    write_films(tmp_path)
    torch.save({"a.weight": torch.zeros(3)}, tmp_path / "other.pt")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe_tree(tmp_path)))
    weights = f"network.{name}={tmp_path / 'other.pt'}"
    assert train_main(["--config", str(tmp_path / "recipe.yaml"), weights]) == 2
    assert "other.pt" in capsys.readouterr().err
    assert not (tmp_path / "out" / "state.pt").exists()


def test_damaged_state_is_not_resumed(tmp_path, capsys):
    write_films(tmp_path)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe_tree(tmp_path)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "state.pt").write_bytes(b"half a state")
    assert train_main(["--config", str(tmp_path / "recipe.yaml"), "resume=true"]) == 2
    assert "no state to resume from" in capsys.readouterr().err
