from pathlib import Path

import numpy as np
import pytest

from model.networks.pim import Pim, PimConfig
from model.pixels import Placement
from training.data.examples import Example
from training.judging import body_part as gate
from training.judging.assessment import by_finding
from training.judging.boxes import mass_and_hit, pixels_in_boxes
from training.judging.decision import fit_temperature, operating_points, softmax


def film(labels=(), group="g", boxes=()) -> Example:
    return Example(Path("x"), labels, "val", group, "x", "", boxes=boxes)


def test_temperature_recovers_the_factor_that_logits_were_blown_up_by():
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 2)).astype(np.float32)
    labels = (rng.random(4000) < softmax(honest, 1.0)[:, 1]).astype(np.int64)
    assert fit_temperature(3 * honest, labels) == pytest.approx(3.0, rel=0.1)


def test_operating_points_keep_what_they_promise():
    rng = np.random.default_rng(1)
    positive = rng.random(300) < 0.4
    scores = np.clip(rng.normal(0.4 + 0.2 * positive, 0.15), 0.01, 0.99)
    low, high = operating_points(scores, positive)
    assert low <= high
    assert (scores[positive] >= low).mean() >= 0.95
    assert (scores[~positive] < high).mean() >= 0.95


def test_figures_of_a_perfect_network_are_one():
    films = [film(("fracture",) if i % 2 else (), str(i)) for i in range(20)]
    logits = np.array([[0.0, 4.0] if f.labels else [4.0, 0.0] for f in films], np.float32)
    points = {"fracture.high_sensitivity": 0.5, "fracture.high_specificity": 0.5}
    classes = ("no_finding", "fracture")
    seen = by_finding(logits, films, classes, "softmax", {"temperature": 1.0, **points})["fracture"]
    assert seen["auroc"] == (1.0, 1.0, 1.0)
    assert seen["specificity_at_high_sensitivity"] == (1.0, 1.0, 1.0)


def test_gate_learns_to_tell_two_kinds_of_features_apart():
    config = PimConfig(
        backbone="test_resnet",
        size=64,
        width=16,
        upsampling="bilinear",
        classes=("no_finding", "metal"),
    )
    network = Pim(config)
    channels = sum(network.backbone.channels)
    rng = np.random.default_rng(0)
    inside = np.arange(400) < 200
    features = rng.normal(size=(400, channels)).astype(np.float32) + inside[:, None]
    gate.fit(network, features, inside)
    weight = network.gate.weight.detach().numpy()[0]
    logits = features @ weight + float(network.gate.bias)
    threshold = gate.choose_threshold(logits[inside], logits[~inside])
    passes = 1 / (1 + np.exp(-logits)) >= threshold
    assert passes[inside].mean() >= 0.99
    assert passes[~inside].mean() < 0.05


def test_peak_is_looked_up_in_source_pixels():
    placement = Placement(0.5, 0.5, offset_x=0.0, offset_y=16.0, rows=64, columns=128)
    cam = np.zeros((8, 8), np.float32)
    cam[3, 6] = 1.0  # centre (52, 28) of the input, (104, 24) of the source
    heat = placement.map_to_source(cam, 64)
    inside, outside = (film(boxes=(box,)) for box in ((100, 20, 110, 30), (0, 0, 50, 64)))
    assert mass_and_hit(heat, pixels_in_boxes(inside, 64, 128))[1] == 1.0
    assert mass_and_hit(heat, pixels_in_boxes(outside, 64, 128))[1] == 0.0
