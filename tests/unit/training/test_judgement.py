"""Figures, heads, files, maps, ensembles and searches over trained networks."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import average_precision_score, roc_auc_score

from model import checkpoint
from tests.support.films import recipe_tree, write_films
from training import ensemble, evaluate, infer, maps, pointing, tune
from training.data.examples import DataError, Example, read_manifest
from training.data.films import Films
from training.data.splits import read_split
from training.ensemble import majority_vote, mean_probability
from training.judging import boxes
from training.judging.decision import decide, scores_of
from training.judging.heads import head_accuracies, highest
from training.judging.metrics import calibration_error, decisions, interval, ranking, resample
from training.judging.responses import HeadAnswers
from training.judging.sheets import results_text
from training.judging.subject import load_subject
from training.recipe import Recipe
from training.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    write_films(root)
    train(Recipe.check(recipe_tree(root, optimiser__epochs=1), "test"))
    return root


def test_ranking_equals_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    scores = np.round(rng.random(200), 1)
    positive = rng.random(200) < 0.3
    weights = resample([str(i // 4) for i in range(200)], count=5)
    area, precision = ranking(scores, positive, weights)
    for row in range(6):
        weight = weights[row]
        assert area[row] == pytest.approx(roc_auc_score(positive, scores, sample_weight=weight))
        expected = average_precision_score(positive, scores, sample_weight=weight)
        assert precision[row] == pytest.approx(expected)


def test_decisions_are_the_ratios_of_the_confusion_matrix():
    positive = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    predicted = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], dtype=bool)
    found = {k: float(v[0]) for k, v in decisions(positive, predicted, np.ones((1, 10))).items()}
    assert found == pytest.approx(
        {
            "sensitivity": 0.75,
            "specificity": 5 / 6,
            "ppv": 0.75,
            "npv": 5 / 6,
            "f1": 0.75,
            "accuracy": 0.8,
        }
    )


def test_published_confusion_matrix_gives_its_published_figures():
    matrix = np.array([[11, 4, 0, 2], [1, 23, 0, 1], [0, 0, 14, 1], [2, 3, 1, 17]])
    truth = np.repeat(np.arange(4).repeat(4), matrix.flatten())
    predicted = np.repeat(np.tile(np.arange(4), 4), matrix.flatten())
    sensitivity, specificity = [], []
    for column in range(4):
        found = decisions(truth == column, predicted == column, np.ones((1, 80)))
        sensitivity.append(float(found["sensitivity"][0]))
        specificity.append(float(found["specificity"][0]))
    assert sensitivity == pytest.approx([0.647, 0.920, 0.933, 0.739], abs=6e-4)
    assert specificity == pytest.approx([0.952, 0.873, 0.985, 0.930], abs=6e-4)


def test_interval_over_patients_is_wider_than_over_films():
    rng = np.random.default_rng(2)
    effect = np.repeat(rng.normal(size=10), 20)

    def width(patients):
        weights = resample(patients)
        _, low, high = interval(weights @ effect / weights.sum(axis=1))
        return high - low

    assert width([str(i // 20) for i in range(200)]) > 2 * width([str(i) for i in range(200)])


def test_figure_that_does_not_exist_is_nan_and_null_in_json(tmp_path):
    from training.judging.sheets import write_json

    found = decisions(np.zeros(4, bool), np.zeros(4, bool), np.ones((3, 4)))
    value = interval(found["sensitivity"])
    assert all(np.isnan(value))
    write_json({"x": value}, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {"x": [None, None, None]}


def test_calibration_error_is_the_gap_between_score_and_share():
    found = calibration_error(np.full(10, 0.75), np.arange(10) < 5, np.ones((1, 10)))
    assert float(found[0]) == pytest.approx(0.25)


def test_highest_takes_the_most_confident_heads_first():
    sure, unsure, torn = [0.9, 0.1], [0.4, 0.6], [0.5, 0.5]
    stack = np.array([[unsure], [sure], [torn], [unsure], [unsure]])
    assert highest(stack, 1).tolist() == [sure]
    assert highest(stack, 2)[0].tolist() == pytest.approx([1.3, 0.7])
    assert highest(stack, 5)[0].tolist() == pytest.approx(stack.sum(axis=0)[0].tolist())


def test_heads_come_in_the_published_order():
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    heads = {f"layer{n}": logits for n in range(1, 5)} | {"combiner": logits, "answer": logits}
    tokens = {
        f"{kind}_layer{n}-top-{k}": np.ones(6, np.float32)
        for kind in ("select", "drop")
        for n in range(1, 5)
        for k in (1, 3)
    }
    names = list(head_accuracies(HeadAnswers(heads, tokens), np.zeros(6, np.int64)))
    assert names == (
        [f"layer{n}-top-{k}" for n in range(1, 5) for k in (1, 3)]
        + [f"{kind}_layer{n}-top-{k}" for kind in ("select", "drop") for n in range(1, 5)
           for k in (1, 3)]
        + ["combiner-top-1", "combiner-top-3"]
        + [f"highest-{k}" for k in range(1, 6)]
    )  # fmt: skip


def test_text_has_the_published_layout():
    accuracies = {
        "layer1-top-1": 81.25,
        "layer1-top-3": 98.75,
        "combiner-top-1": 100 * 400 / 474,
        "combiner-top-3": 100.0,
        "highest-1": 80.0,
        "highest-2": 100 * 400 / 474,
    }
    assert results_text(accuracies, 474, "wrist", "T3000") == (
        "[Evaluation Results]\n"
        "Project: wrist, Experiment: T3000\n"
        "Samples: 474\n"
        "\n"
        "    layer1-top-1 81.25%\n"
        "    layer1-top-3 98.75%\n"
        "    combiner-top-1 84.388%\n"
        "    combiner-top-3 100.0%\n"
        "    highest-1 80.0%\n"
        "    highest-2 84.388%\n"
        "\n"
        "BEST_ACC: highest-2 84.388% "
    )


def test_operating_points_of_every_finding_keep_their_promise():
    rng = np.random.default_rng(1)
    truth = (rng.random((400, 2)) < 0.4).astype(np.float32)
    logits = (rng.normal(size=(400, 2)) + 2 * truth).astype(np.float32)
    decision = decide(logits, truth, ("fracture", "metal"), "sigmoid")
    scores = scores_of(logits, "sigmoid", decision["temperature"])
    for column, name in enumerate(("fracture", "metal")):
        sick = truth[:, column] > 0
        assert (scores[sick, column] >= decision[f"{name}.high_sensitivity"]).mean() >= 0.95
        assert (scores[~sick, column] < decision[f"{name}.high_specificity"]).mean() >= 0.95


def test_vote_follows_the_majority_and_ties_the_mean():
    scores = np.array([[[0.9, 0.1]], [[0.4, 0.6]], [[0.4, 0.6]]])
    assert majority_vote(scores).argmax(axis=1).tolist() == [1]
    assert mean_probability(scores).argmax(axis=1).tolist() == [0]
    assert majority_vote(scores[:2]).argmax(axis=1).tolist() == [0]


def test_checkpoint_is_evaluated_into_files(run, capsys):
    out = run / "judged"
    films = ["--manifest", str(run / "films.csv"), "--split", "val"]
    assert evaluate.main([str(run / "out" / "best.pt"), *films, "--out", str(out)]) == 0
    report = json.loads((out / "evaluation.json").read_text())
    value, low, high = report["accuracy"]
    assert low <= value <= high
    assert set(report["findings"]) == {"no_finding", "fracture", "metal"}
    assert {"sensitivity", "specificity", "ppv", "npv", "f1", "auroc", "average_precision", "ece",
            "brier"} <= set(report["findings"]["fracture"])  # fmt: skip
    assert set(report["strata"]) == {"age_band", "sex"}
    assert "sensitivity_at_high_specificity" in report["findings"]["fracture"]
    assert (out / "eval_results.txt").read_text().startswith("[Evaluation Results]\nProject: out, ")
    assert (out / "confusion.png").stat().st_size > 5000


def test_checkpoint_of_another_architecture_is_refused(run, tmp_path, capsys):
    stored = torch.load(run / "out" / "best.pt", weights_only=True)
    stored["network"]["backbone"] = "test_vit"
    torch.save(stored, tmp_path / "other.pt")
    with pytest.raises(DataError, match="cannot be evaluated"):
        load_subject(tmp_path / "other.pt")


def test_package_is_evaluated_by_its_answer(run):
    package = load_subject(Path(__file__).parents[3] / "model" / "packages" / "wrist-demo")
    examples = read_split(run / "films.csv", {"metal": "fracture"})[:2]
    assert package.answer(examples).logits.shape == (2, 2)
    assert {"fracture.high_sensitivity", "temperature"} <= set(package.decision)


def test_folder_is_read_into_one_row_for_each_picture(run, tmp_path):
    for kind in ("fracture", "metal"):
        (tmp_path / "in" / kind).mkdir(parents=True)
        infer_source = run / f"{1 if kind == 'fracture' else 2}.png"
        (tmp_path / "in" / kind / "a.png").write_bytes(infer_source.read_bytes())
    out = tmp_path / "out"
    assert infer.main([str(run / "out" / "best.pt"), str(tmp_path / "in"), "--out", str(out)]) == 0
    with (out / "infer_result.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["original_label"] for row in rows] == ["fracture", "metal"]
    assert list(rows[0])[:4] == ["id", "original_label", "predict_label", "goal"]
    names = [line.split()[0] for line in (out / "infer_results.txt").read_text().splitlines()[4:6]]
    assert names == ["combiner-top-1", "combiner-top-3"]
    assert (out / "infer_cm.png").exists()


@pytest.mark.parametrize("method", maps.METHODS)
def test_maps_of_a_picture_are_written(run, tmp_path, method):
    command = [str(run / "out" / "best.pt"), str(run / "1.png"), "--out", str(tmp_path / "maps")]
    assert maps.main([*command, "--method", method, "--target", "fracture"]) == 0
    names = [f"1_{method}_heat.png", f"1_{method}_mix.png"]
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == names


def test_maps_depend_on_the_class_but_the_legacy_map_does_not(run):
    subject = load_subject(run / "out" / "best.pt")
    films = Films(read_manifest(run / "films.csv")[1:3], subject.geometry, subject.profile, True)
    image = films.inputs([0, 1])
    found = [maps.map_methods(subject.network, target, "level2") for target in (0, 1)]
    for method in (maps.GRAPH, "gradcam", "layercam", "scorecam"):
        assert not torch.allclose(*(methods[method](image) for methods in found))
    legacy = [methods[maps.LEGACY](image) for methods in found]
    assert torch.equal(*legacy)
    assert bool(((legacy[0] == 0) | (legacy[0] >= maps.LEGACY_THRESHOLD)).all())


def test_map_of_the_graph_is_the_gradcam_of_the_library(run):
    subject = load_subject(run / "out" / "best.pt")
    films = Films(read_manifest(run / "films.csv")[1:3], subject.geometry, subject.profile, True)
    methods = maps.map_methods(subject.network, 1)
    ours, theirs = (methods[name](films.inputs([0, 1])) for name in (maps.GRAPH, "gradcam"))
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_members_are_judged_as_one(run):
    members = [str(run / "out" / f"{name}.pt") for name in ("best", "last")]
    films = ["--manifest", str(run / "films.csv"), "--split", "val"]
    for mode in ("mean", "vote"):
        out = run / f"ensemble-{mode}"
        command = ["judge", *members, "--mode", mode, *films, "--out", str(out)]
        assert ensemble.main(command) == 0
        assert json.loads((out / "evaluation.json").read_text())["films"] == 12


@pytest.mark.long
def test_every_fold_gets_a_fresh_network(run):
    tree = recipe_tree(run, out=str(run / "folds"), optimiser__epochs=1)
    config = run / "folds.yaml"
    config.write_text(yaml.safe_dump(tree))
    assert ensemble.main(["folds", "--config", str(config), "--folds", "2"]) == 0
    recipe = Recipe.check(tree, "test")
    _, (learned, held) = ensemble.folds_by_patient(ensemble.read_examples(recipe), 2, recipe.seed)
    alone = recipe.model_copy(update={"out": run / "alone"})
    path, _ = train(alone, examples=[*learned, *held])
    paths = (path, run / "folds" / "fold-1" / "best.pt")
    stored, fold = (checkpoint.load(path).weights for path in paths)
    assert all(torch.equal(stored[name], fold[name]) for name in stored)


@pytest.mark.long
def test_search_keeps_its_trials_and_draws_them(run, capsys):
    config, space = run / "search.yaml", run / "space.yaml"
    tree = recipe_tree(run, out=str(run / "search"), optimiser__epochs=1)
    config.write_text(yaml.safe_dump(tree))
    space.write_text("optimiser.lr: {low: 1.0e-4, high: 1.0e-2, log: true}\n")
    command = ["--config", str(config), "--space", str(space), "--trials", "1"]
    assert tune.main(command) == 0
    assert tune.main(command) == 0  # joins the study on disk
    assert "optimiser.lr=" in capsys.readouterr().out
    assert (run / "search" / "trials.png").exists()
    with tune.storage_at(f"sqlite:///{run / 'search' / 'study.db'}") as storage:
        assert len(tune.optuna.load_study(study_name="tiny", storage=storage).trials) == 2


def test_search_over_an_unknown_key_is_refused(run, tmp_path, capsys):
    config, space = tmp_path / "search.yaml", tmp_path / "space.yaml"
    config.write_text(yaml.safe_dump(recipe_tree(run, out=str(tmp_path / "out"))))
    space.write_text("optimiser.speed: {choices: [1, 2]}\n")
    assert tune.main(["--config", str(config), "--space", str(space), "--trials", "1"]) == 2
    assert "optimiser.speed" in capsys.readouterr().err


def test_mass_and_peak_of_a_map_are_counted_inside_the_boxes():
    film = Example(
        Path("x"), ("fracture",), "val", "p", "s", "", boxes=((0, 0, 2, 2), (6, 6, 8, 8))
    )
    mask = boxes.pixels_in_boxes(film, 8, 8)
    assert int(mask.sum()) == 8
    heat = np.zeros((8, 8), np.float32)
    heat[1, 1], heat[4, 4] = 3.0, 1.0
    assert boxes.mass_and_hit(heat, mask) == (0.75, 1.0)
    assert boxes.mass_and_hit(np.zeros((8, 8), np.float32), mask)[0] == 0.0


def test_map_that_knows_nothing_is_the_middle_quarter_of_the_picture():
    heat = boxes.centre_map(80, 60)
    assert float((heat > 0).mean()) == pytest.approx(0.25)
    assert heat.argmax() == 40 * 60 + 30


def test_maps_of_a_checkpoint_are_compared_with_boxes(run, capsys):
    path = run / "boxed.csv"
    lines = (run / "films.csv").read_text().splitlines()
    boxed = [lines[0] + ",boxes"] + [line + ",10 20 50 40" for line in lines[1:]]
    path.write_text("\n".join(boxed) + "\n")
    command = [str(run / "out" / "best.pt"), "--manifest", str(path), "--split", "val"]
    assert pointing.main(command) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["films"]["count"] == [12.0]
    assert set(table) == {"films", *maps.METHODS, "centre", "flat"}
    assert table["centre"]["pointing_game"][0] == 0.0  # the centre lies just below the bar
    assert table["flat"]["mass_in_boxes"][0] == pytest.approx(40 * 20 / (80 * 60), abs=1e-4)


def test_map_of_a_package_is_compared_with_boxes(run, capsys):
    package = Path(__file__).parents[3] / "model" / "packages" / "wrist-demo"
    path = run / "boxed.csv"
    lines = (run / "films.csv").read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",boxes", lines[-1] + ",10 20 50 40"]) + "\n")
    command = [str(package), "--manifest", str(path), "--split", "val", "--rename"]
    assert pointing.main([*command, "metal=fracture"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert set(table) == {"films", "package", "centre", "flat"}
    assert 0 < table["package"]["mass_in_boxes"][0] < 1
