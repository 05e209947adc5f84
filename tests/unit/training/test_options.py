"""Options of a step beside the paper's: rates, weights, cutmix, a grey stem."""

import numpy as np
import pytest
import torch

from model import checkpoint
from model.networks.grey_stem import make_grey
from model.networks.pim import Pim, PimConfig
from model.networks.pretrained import load_backbone
from tests.support.films import KINDS, recipe_tree, write_films
from training.data.changes import blend, cut
from training.data.supply import prepare, read_examples
from training.recipe import Recipe
from training.recipe.sections import AugmentSection, OptimiserSection
from training.run.building import build
from training.run.losses import label_loss
from training.run.optimisers import make_optimiser, set_rates, step_rate
from training.train import train

TINY = {"backbone": "test_resnet", "size": 64, "width": 16, "upsampling": "bilinear"}


def tiny(**changes: object) -> Pim:
    torch.manual_seed(0)
    return Pim(PimConfig.model_validate({**TINY, "classes": KINDS, **changes}))


def test_rate_in_steps_warms_up_and_falls_after_each_milestone():
    rates = [step_rate(step, 100, 10, 1.0, (0.5, 0.75), 0.1) for step in (0, 9, 49, 50, 74, 75)]
    assert rates == pytest.approx([1e-9, 1.0, 1.0, 0.1, 0.1, 0.01])


def test_backbone_stands_still_in_the_first_epochs_when_asked():
    section = OptimiserSection(name="adam", lr=1e-3, warmup=0, epochs=4, head_epochs=2)
    network = tiny()
    optimiser = make_optimiser(network, network.backbone_parameters(), section)
    seen = []
    for passes in (0, 19, 20):
        set_rates(optimiser, section, passes, 10, 40)
        seen.append([group["lr"] > 0 for group in optimiser.param_groups])
    assert seen == [[False, True], [False, True], [True, True]]


def test_run_whose_backbone_stands_still_keeps_the_initial_backbone(tmp_path):
    write_films(tmp_path)
    changes = {"optimiser__epochs": 1, "optimiser__head_epochs": 1, "optimiser__name": "adam"}
    recipe = Recipe.check(recipe_tree(tmp_path, **changes, network__frozen_norms=True), "test")
    train(recipe)
    after = checkpoint.load(recipe.out / "last.pt").weights
    torch.manual_seed(recipe.seed)
    before = build(recipe).state_dict()
    moved = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert "backbone" not in moved
    assert {"classifiers", "combiner"} <= moved


def test_rare_classes_weigh_more_so_that_all_classes_weigh_alike(tmp_path):
    path = write_films(tmp_path)
    lines = path.read_text().splitlines()
    metal = [line for line in lines if ",metal,train," in line]
    path.write_text("\n".join(line for line in lines if line not in metal[2:]) + "\n")
    recipe = Recipe.check(recipe_tree(tmp_path, data__weighted=True, optimiser__epochs=1), "test")
    weights = prepare(recipe, read_examples(recipe)).weights
    assert (weights * torch.tensor([8.0, 8.0, 2.0])).tolist() == pytest.approx([6.0] * 3)
    train(recipe)
    multi = Recipe.check(recipe_tree(tmp_path, task="multi", classes=["fracture", "metal"]), "test")
    assert prepare(multi, read_examples(multi)).weights.tolist() == pytest.approx([10 / 8, 16 / 2])


@pytest.mark.parametrize(
    "label", [torch.tensor([1, 0]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])], ids=["index", "vector"]
)
def test_weight_changes_the_loss_of_its_own_class_only(label):
    logits = torch.tensor([[0.5, -0.5], [0.2, 0.1]])
    plain = label_loss(logits, label, 0.0)
    assert torch.equal(label_loss(logits, label, 0.0, torch.ones(2)), plain)
    assert label_loss(logits, label, 0.0, torch.tensor([1.0, 4.0])) > plain


def test_cutmix_takes_a_rectangle_of_the_partner_and_says_what_is_left():
    units = torch.arange(4.0).view(4, 1, 1).expand(4, 40, 30).clone()
    shares = []
    for seed in range(30):
        mixed, mixture = cut(units, 1.0, torch.Generator().manual_seed(seed))
        own = (mixed == units).float().mean(dim=(1, 2))
        partner = (mixed == units[mixture.partner]).float().mean(dim=(1, 2))
        other = mixture.partner != torch.arange(4)
        assert torch.allclose(own[other], torch.tensor(mixture.share), atol=1e-6)
        assert torch.allclose(own[other] + partner[other], torch.ones(int(other.sum())))
        shares.append(mixture.share)
    assert np.std(shares) > 0.1


def test_mixup_and_cutmix_take_turns_by_chance():
    units = torch.rand(4, 16, 16)
    both = AugmentSection(mixup=0.4, cutmix=1.0)
    kinds = set()
    for seed in range(20):
        mixed, mixture = blend(units, both, torch.Generator().manual_seed(seed))
        assert mixture is not None
        kinds.add(bool(torch.isin(mixed, units).all()))
    assert kinds == {True, False}
    assert blend(units, AugmentSection(), torch.Generator())[1] is None


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "mobilenetv2_050"])
def test_grey_stem_answers_as_the_colour_stem_does_for_grey_films(backbone, tmp_path):
    colour, grey = tiny(backbone=backbone), tiny(backbone=backbone, grey=True)
    torch.save(colour.backbone.state_dict(), tmp_path / "w.pt")
    load_backbone(grey.backbone, tmp_path / "w.pt")
    image = torch.randn(2, 1, 64, 64).expand(2, 3, 64, 64)
    pairs = zip(colour.eval().backbone(image), grey.eval().backbone(image), strict=True)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in pairs)
    fewer = sum(p.numel() for p in grey.parameters())
    assert fewer < sum(p.numel() for p in colour.parameters())


def test_stem_that_is_no_colour_convolution_cannot_be_made_grey():
    with pytest.raises(ValueError, match="cannot be made grey"):
        make_grey(torch.nn.Sequential(torch.nn.Conv2d(5, 2, 3)))
