import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from model.networks.pim import PimOutput
from model.networks.selector import Selection
from tests.support.films import recipe_tree, write_films
from training import compare
from training.data import draw
from training.data.changes import change, mix
from training.data.examples import Example
from training.recipe import Recipe
from training.recipe.parsing import RecipeError
from training.recipe.sections import AugmentSection, DataSection, LossSection, OptimiserSection
from training.run.losses import pim_terms, total
from training.run.optimisers import make_optimiser, published_rate
from training.run.tracking import Trackers

RECIPES = Path(__file__).parents[3] / "training" / "recipes"
WORDS = ["data.manifest=films.csv"]
STILL = {"flip": 0.0, "blur": 0.0, "sharpen": 0.0}


def shipped(name: str) -> Recipe:
    return Recipe.read(RECIPES / f"{name}.yaml", WORDS)


@pytest.mark.parametrize(
    ("name", "optimiser", "rate", "width"),
    [
        ("wrist_pim", "sgd", 5e-4, 1536),
        ("wrist_pim_lion", "lion", 5e-6, 1536),
        ("wrist_pim_lion_fpn1024", "lion", 5e-6, 1024),
    ],
)
def test_recipes_of_the_paper_hold_its_numbers(name, optimiser, rate, width):
    recipe = shipped(name)
    step = recipe.optimiser
    assert (step.name, step.lr, recipe.network.own()["width"]) == (optimiser, rate, width)
    assert (step.batch, step.accumulate, step.epochs, step.warmup) == (16, 2, 100, 800)
    assert step.weight_decay == 5e-4
    assert recipe.classes == ("boneanomaly", "fracture", "metal", "softtissue")
    assert recipe.configuration().selects == (2048, 512, 128, 32)
    assert recipe.data.geometry == "legacy_510_384"


def test_product_recipe_reports_every_finding_for_itself():
    recipe = shipped("wrist_product")
    assert recipe.task == "multi"
    assert len(recipe.classes) == 8
    assert "no_finding" not in recipe.classes
    assert recipe.configuration().activation == "sigmoid"
    assert recipe.configuration().metadata


def test_variants_that_are_shipped_fit_their_recipe():
    variants = compare.read_variants(RECIPES / "hands_variants.yaml")
    heads = {
        name: Recipe.read(RECIPES / "hands_compare.yaml", [*WORDS, *words]).configuration().head
        for name, words in variants.items()
    }
    assert heads["plain-lion"] == "pooled"
    assert next(iter(variants)) == "pim-lion"


def test_learning_rate_is_the_published_one_at_its_corners():
    steps, top = 9800, 5e-6
    assert published_rate(0, steps, 800, top) == pytest.approx(1e-9, rel=1e-12)
    assert published_rate(799, steps, 800, top) == pytest.approx(top, rel=1e-12)
    assert published_rate(800, steps, 800, top) == pytest.approx(top, rel=1e-12)
    last = 1e-12 + 0.5 * (top - 1e-12) * (1 + math.cos(math.pi * (steps - 801) / steps))
    assert published_rate(steps - 1, steps, 800, top) == pytest.approx(last, rel=1e-12)
    assert last / top == pytest.approx(0.0164, abs=3e-4)


def test_loss_of_a_fixed_batch_is_the_published_sum():
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [0.5, 0.5]]])
    kept = Selection(logits[:, :2], torch.tensor([[0, 1]]))
    combined = torch.tensor([[1.0, -1.0]])
    output = PimOutput(combined, combined, [logits], [kept], [logits], logits[:, 0])

    def entropy(values, label=0):
        return -math.log(math.exp(values[label]) / sum(map(math.exp, values)))

    nodes = entropy([2.5 / 3, 1.5 / 3])
    selected = (entropy([2.0, 0.0]) + entropy([0.0, 1.0])) / 2
    dropped = (math.tanh(0.5) + 1) ** 2
    expected = 0.5 * nodes + 0.0 * selected + 5.0 * dropped + entropy([1.0, -1.0])
    found = total(pim_terms(output, torch.tensor([0])), LossSection())
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_label_vectors_take_the_binary_cross_entropy():
    logits = torch.tensor([[[1.0, -2.0]]])
    everything = Selection(logits, torch.tensor([[0]]))
    output = PimOutput(logits[:, 0], logits[:, 0], [logits], [everything], [logits], logits[:, 0])
    terms = pim_terms(output, torch.tensor([[1.0, 0.0]]))
    expected = (math.log1p(math.exp(-1.0)) + math.log1p(math.exp(-2.0))) / 2
    assert float(terms["combined"]) == pytest.approx(expected, rel=1e-6)
    assert float(terms["dropped"]) == 0.0


@pytest.mark.parametrize("name", ["lion", "sgd", "adamw"])
def test_every_optimiser_takes_the_configured_decay_and_rates(tmp_path, name):
    from model.networks.pim import Pim, PimConfig

    network = Pim(
        PimConfig(
            backbone="test_resnet",
            size=64,
            width=16,
            upsampling="bilinear",
            classes=("fracture", "metal"),
        )
    )
    section = OptimiserSection(name=name, lr=1e-3, lr_backbone=1e-4, weight_decay=0.05)
    groups = make_optimiser(network, network.backbone_parameters(), section).param_groups
    assert [group["top"] for group in groups] == [1e-4, 1e-3]
    assert {group["weight_decay"] for group in groups} == {0.05}
    held = sum(len(group["params"]) for group in groups)
    assert held == sum(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser__stesp": 1}, "optimiser.stesp"),
        ({"classes": ["fracture", "unicorn"]}, "unicorn"),
        ({"data": {}}, "give one of data.manifest"),
        ({"network__head": "combiner", "network__combiner": False}, "without a combiner"),
        ({"losses__boxes": 1.0, "augment__cutmix": 1.0}, "losses.boxes"),
        ({"network": {"kind": "resnet"}, "losses__boxes": 1.0}, "only network.kind=pim"),
        ({"network": {"kind": "unicorn"}}, "network kind 'unicorn'"),
        ({"network__widht": 3, "network__backbnoe": "x"}, "network.widht.*network.backbnoe"),
        ({"task": "landmarks", "classes": []}, "network.kind=hourglass"),
        ({"task": "binary", "classes": ["fracture", "metal"]}, "task binary has 1 to 1"),
        ({"data__sampler": "shares"}, "data.shares"),
        ({"task": "multi"}, "no_finding"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[:20],
)
def test_wrong_recipe_is_refused_with_its_key(tmp_path, changes, message):
    with pytest.raises(RecipeError, match=message):
        Recipe.check(recipe_tree(tmp_path, **changes), "test")


def test_paths_of_the_machine_stay_out_of_the_checkpoint(tmp_path):
    tree = recipe_tree(tmp_path, network__weights="/secret/w.pt", data__manifest="/secret")
    assert "secret" not in str(Recipe.check(tree, "test").public())


def test_epoch_holds_every_film_once_and_another_epoch_another_order():
    films = [Example(Path(str(i)), ("metal",), "", "", "", "") for i in range(50)]
    first, second = (draw.epoch_rows(films, DataSection(), 1, epoch) for epoch in (0, 1))
    assert sorted(first) == list(range(50))
    assert list(first) != list(second)
    assert list(first) == list(draw.epoch_rows(films, DataSection(), 1, 0))


def test_balanced_drawing_shows_rare_classes_as_often():
    films = [Example(Path(str(i)), ("metal",) if i < 5 else (), "", "", "", "") for i in range(100)]
    weights = draw.balanced_weights(films)
    assert weights[:5].sum() == pytest.approx(0.5)
    rows = np.concatenate(
        [draw.epoch_rows(films, DataSection(sampler="balanced"), 0, e) for e in range(20)]
    )
    assert float((rows < 5).mean()) == pytest.approx(0.5, abs=0.05)


def test_ranks_share_every_pass_in_equal_parts():
    rows = np.arange(10)
    parts = [draw.rank_batches(rows, 4, rank, 2) for rank in (0, 1)]
    assert [len(p) for p in parts[0]] == [len(p) for p in parts[1]] == [2, 2, 1]
    together = sorted(row for part in parts for batch in part for row in batch)
    assert together == list(range(10))
    assert draw.passes_of(10, 4) == 3


def test_still_section_changes_nothing_and_crops_to_the_size():
    units = torch.rand(3, 20, 20)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(change(units, 20, AugmentSection(**STILL), generator)[0], units)
    assert change(units, 16, AugmentSection(**STILL), generator)[0].shape == (3, 16, 16)


def test_flip_blur_sharpen_and_randaugment_keep_range_and_input():
    units = torch.rand(4, 32, 32)
    before = units.clone()
    section = AugmentSection(flip=1.0, blur=1.0, sharpen=1.0, randaugment=2)
    one, two = (change(units, 32, section, torch.Generator().manual_seed(5))[0] for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(units, before)
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    mirrored = change(units, 32, AugmentSection(**(STILL | {"flip": 1.0})), torch.Generator())[0]
    assert torch.equal(mirrored, units.flip(-1))


def test_mixup_blends_each_film_with_its_partner():
    units = torch.rand(4, 8, 8)
    mixed, mixture = mix(units, 0.4, torch.Generator().manual_seed(1))
    expected = units * mixture.share + units[mixture.partner] * (1 - mixture.share)
    assert torch.allclose(mixed, expected)
    assert 0 <= mixture.share <= 1


@pytest.mark.parametrize("kind", ["tensorboard", "wandb", "mlflow"])
def test_figures_reach_every_tracker(tmp_path, monkeypatch, kind):
    pytest.importorskip(kind)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    if kind == "mlflow":
        pytest.importorskip("sqlalchemy")
        monkeypatch.chdir(tmp_path)
    with Trackers([kind], tmp_path, "tiny", {"a": 1}) as trackers:
        trackers.log(1, {"loss": 0.5})
    assert any(tmp_path.rglob("*"))


def test_tracker_that_is_not_installed_is_a_clear_error(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(RecipeError, match="wandb is not installed"):
        Trackers(["wandb"], tmp_path, "tiny", {})


@pytest.mark.long
def test_variants_are_compared_on_the_same_films(tmp_path, capsys):
    write_films(tmp_path)
    config, variants = tmp_path / "recipe.yaml", tmp_path / "variants.yaml"
    tree = recipe_tree(tmp_path, optimiser__epochs=1, watch__evaluate_every=1)
    config.write_text(yaml.safe_dump(tree))
    variants.write_text("pim: []\nplain: [network.head=pooled]\n")
    command = ["--config", str(config), "--variants", str(variants), "--seeds", "1"]
    assert compare.main(command) == 0
    table = capsys.readouterr().out
    assert "| plain |" in table
    assert (tmp_path / "out" / "compare.json").exists()
    before = (tmp_path / "out" / "pim-1" / "last.pt").stat().st_mtime_ns
    (tmp_path / "out" / "plain-1" / "scores.json").unlink()  # as if it had been stopped
    assert compare.main(command) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == table.splitlines()[-4:]
    assert (tmp_path / "out" / "pim-1" / "last.pt").stat().st_mtime_ns == before


def test_difference_to_itself_is_nothing():
    rng = np.random.default_rng(0)
    positive = rng.random(40) < 0.5
    run = rng.random(40)
    table = compare.table_of({"a": [run], "b": [run]}, positive, [str(i) for i in range(40)])
    assert table["b"]["difference"] == (0.0, 0.0, 0.0)
