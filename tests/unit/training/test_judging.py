from pathlib import Path

import numpy as np
import pytest

from model.networks.pim import Pim, PimConfig
from model.pixels import Placement
from training import gate
from training.calibrate import fit_temperature, operating_points, softmax
from training.data import Film
from training.evaluate import calibration_error, figures, with_interval
from training.localise import box_share, inside_box


def film(region="hand", fractured=False, group="g", boxes=()) -> Film:
    return Film(Path("x"), fractured, "val", group, region, region == "hand", boxes, "")


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


def test_interval_over_groups_is_wider_than_over_single_films():
    rng = np.random.default_rng(2)
    groups = [str(i // 20) for i in range(200)]
    effect = np.repeat(rng.normal(size=10), 20)
    scores = effect + 0.1 * rng.normal(size=200)
    positive = rng.random(200) < 0.5

    def mean(s, y):
        return float(s.mean())

    _, low, high = with_interval(mean, scores, positive, groups)
    _, lower, higher = with_interval(mean, scores, positive, [str(i) for i in range(200)])
    assert high - low > 2 * (higher - lower)


def test_films_of_one_class_have_no_figures():
    with pytest.raises(ValueError, match="one class"):
        with_interval(lambda s, y: 0.0, np.zeros(3), np.ones(3, dtype=bool), ["a", "b", "c"])


def test_calibration_error_is_the_gap_between_score_and_share():
    scores = np.full(10, 0.75)
    assert calibration_error(scores, np.arange(10) < 5) == pytest.approx(0.25)


@pytest.mark.long
def test_figures_of_a_perfect_network_are_one():
    films = [film(fractured=i % 2 == 0, group=str(i)) for i in range(20)]
    logits = np.array([[0.0, 4.0] if f.fractured else [4.0, 0.0] for f in films], np.float32)
    decision = {"temperature": 1.0, "high_sensitivity": 0.5, "high_specificity": 0.5}
    seen = figures(logits, films, decision)
    assert seen["auroc"] == [1.0, 1.0, 1.0]
    assert seen["specificity_at_high_sensitivity"] == [1.0, 1.0, 1.0]


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
    assert inside_box(cam, film(boxes=((100, 20, 110, 30),)), placement, 64)
    assert not inside_box(cam, film(boxes=((0, 0, 50, 64),)), placement, 64)


def test_chance_of_pointing_is_the_area_of_the_boxes():
    placement = Placement(1, 1, 0, 0, rows=10, columns=10)
    assert box_share(film(boxes=((0, 0, 5, 5), (0, 0, 5, 5))), placement) == pytest.approx(0.25)
