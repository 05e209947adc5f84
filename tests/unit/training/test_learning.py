import math

import numpy as np
import pytest
import torch

from model.networks.pim import Pim, PimConfig, PimOutput
from model.networks.selector import Selection
from training.data.changes import change, move_points, warp
from training.recipe.sections import AugmentSection, LossSection
from training.run.losses import BoxHints, label_loss, pim_terms, total

STILL = AugmentSection(flip=0, blur=0, sharpen=0)


def output_of(token_logits, index, combined) -> PimOutput:
    selection = Selection(features=torch.zeros(1), index=torch.tensor([index]))
    return PimOutput(combined, combined, [token_logits], [selection], [], torch.zeros(1, 1))


def test_loss_terms_equal_the_formulas_worked_by_hand():
    tokens = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [0.5, -0.5]]])
    combined = torch.tensor([[0.0, math.log(3.0)]])
    terms = pim_terms(output_of(tokens, [0, 1], combined), torch.tensor([1]))
    mean = tokens[0].mean(dim=0)
    assert float(terms["nodes"]) == pytest.approx(float(-torch.log_softmax(mean, 0)[1]))
    assert float(terms["combined"]) == pytest.approx(math.log(4 / 3))
    picked = [math.log(1 + math.e**2), math.log(1 + math.e**-1)]
    assert float(terms["selected"]) == pytest.approx(sum(picked) / 2)
    silence = [(math.tanh(v) + 1) ** 2 for v in (0.5, -0.5)]
    assert float(terms["dropped"]) == pytest.approx(sum(silence) / 2)


def test_published_weights_are_the_default_of_the_loss():
    names = ("nodes", "selected", "dropped", "combined")
    weighted = total({name: torch.tensor(1.0) for name in names}, LossSection())
    assert float(weighted) == pytest.approx(0.5 + 0.0 + 5.0 + 1.0)


def test_fractured_film_without_a_box_says_nothing_about_places():
    hints = BoxHints(4, [(2, 2), (1, 1)])
    levels = [torch.randn(1, 4, 4), torch.randn(1, 1, 4)]
    mask = torch.zeros(1, 4, 4)
    assert float(hints(levels, mask, torch.tensor([False])).detach()) == 0.0
    assert float(hints(levels, mask, torch.tensor([True])).detach()) > 0.0


def test_hint_is_small_where_the_level_marks_the_box():
    hints = BoxHints(1, [(2, 2)])
    torch.nn.init.constant_(hints.point[0].weight, 1.0)
    torch.nn.init.constant_(hints.point[0].bias, 0.0)
    mask = torch.zeros(1, 2, 2)
    mask[0, 0, 0] = 1.0
    right = torch.tensor([[[9.0], [-9.0], [-9.0], [-9.0]]])
    known = torch.tensor([True])
    assert hints([right], mask, known) < 1e-3 < hints([-right], mask, known)


def test_mask_and_landmarks_move_with_their_picture():
    units = torch.zeros(1, 64, 64)
    units[0, 8:16, 40:48] = 1.0
    masks = torch.zeros(1, 8, 8)
    masks[0, 1, 5] = 1.0
    points = torch.tensor([[[44 / 64, 12 / 64]]])
    section = STILL.model_copy(update={"flip": 1.0, "upside_down": 1.0})
    moved, matrix = change(units, 64, section, torch.Generator().manual_seed(0))
    assert moved[0, 48:56, 16:24].mean() > 0.99
    assert warp(masks, matrix)[0, 6, 2] > 0.99
    assert torch.allclose(move_points(points, matrix), torch.tensor([[[20 / 64, 52 / 64]]]))


def test_landmark_follows_any_turn_zoom_and_shift():
    section = STILL.model_copy(update={"rotation_deg": 30.0, "zoom": 0.2, "shift": 0.1})
    units = torch.zeros(8, 65, 65)
    units[:, 24:27, 36:39] = 1.0
    moved, matrix = change(units, 65, section, torch.Generator().manual_seed(3))
    points = move_points(torch.full((8, 1, 2), 25.5 / 65) + torch.tensor([12 / 65, 0.0]), matrix)
    for row in range(8):
        found = torch.nonzero(moved[row] > 0.5).float().mean(dim=0).flip(0) + 0.5
        assert torch.allclose(points[row, 0] * 65, found, atol=0.8)


def test_changed_picture_stays_in_range():
    section = AugmentSection(coarsen=1.0, noise=0.3, contrast=0.5, gamma=0.3, rotation_deg=20)
    moved, _ = change(torch.rand(4, 32, 32), 32, section, torch.Generator().manual_seed(1))
    assert moved.min() >= 0
    assert moved.max() <= 1


@pytest.mark.parametrize(
    "label", [torch.tensor([0, 1]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])], ids=["index", "vector"]
)
def test_focal_loss_counts_by_the_error(label):
    sure, unsure = torch.tensor([[5.0, -5.0], [-5.0, 5.0]]), torch.zeros(2, 2)
    plain = float(label_loss(unsure, label))
    assert float(label_loss(unsure, label, focal=2.0)) == pytest.approx(plain / 4, rel=1e-5)
    assert float(label_loss(sure, label, focal=2.0)) < 1e-4 * float(label_loss(sure, label))


def test_lion_of_the_recipe_equals_its_definition():
    from lion_pytorch import Lion

    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    lion = Lion([weight], lr=0.1, betas=(0.9, 0.99), weight_decay=0.5)
    expected, momentum = np.array([1.0, -2.0]), np.zeros(2)
    for gradient in (np.array([0.3, -0.1]), np.array([-0.4, 0.2])):
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
        lion.step()
        expected *= 1 - 0.1 * 0.5
        expected -= 0.1 * np.sign(0.9 * momentum + 0.1 * gradient)
        momentum = 0.99 * momentum + 0.01 * gradient
    assert np.allclose(weight.detach().numpy(), expected, atol=1e-6)


def test_gradient_reaches_every_trained_part_of_the_network():
    config = PimConfig(
        backbone="test_resnet",
        size=64,
        width=16,
        upsampling="tokens",
        classes=("no_finding", "metal"),
    )
    network = Pim(config).train()
    terms = pim_terms(network(torch.randn(2, 3, 64, 64)), torch.tensor([0, 1]))
    total(terms, LossSection()).backward()
    without = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
