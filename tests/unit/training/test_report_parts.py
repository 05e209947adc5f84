"""The parts of a report: curves with bands, galleries, names of films, the page."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from training.data.examples import Example
from training.judging.assessment import decide_films
from training.judging.gallery import title_of, wrong_and_uncertain
from training.judging.metrics import interval, precision_recall, ranking, reliability, resample, roc
from training.judging.page import Page


def scored(count=120):
    rng = np.random.default_rng(0)
    truth = rng.random(count) < 0.3
    scores = 1 / (1 + np.exp(-(rng.normal(size=count) + 1.5 * truth)))
    return np.round(scores, 2), truth, resample([f"p{n // 2}" for n in range(count)])


def test_curves_have_the_areas_of_the_figures_and_lie_in_their_bands():
    scores, truth, weights = scored()
    curve = roc(scores, truth, weights)
    area = interval(ranking(scores, truth, weights)[0])
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(roc_auc_score(truth, scores))
    assert np.trapezoid(curve.lower, curve.grid) < area[1] < area[2]
    assert area[2] < np.trapezoid(curve.upper, curve.grid)
    steps = precision_recall(scores, truth, weights)
    surface = (np.diff(steps.x, prepend=0) * steps.y).sum()
    assert surface == pytest.approx(average_precision_score(truth, scores))
    assert (steps.lower <= steps.upper).all()


def test_reliability_counts_every_film_once():
    scores, truth, weights = scored()
    bins = reliability(scores, truth, weights)
    assert sum(part.films for part in bins) == len(scores)
    assert sum(part.films * part.observed[0] for part in bins) == pytest.approx(truth.sum())
    assert all(part.observed[1] <= part.observed[0] <= part.observed[2] for part in bins)


def test_surest_errors_come_first_and_the_least_certain_are_nearest_to_the_point():
    class Film:
        labels: tuple[str, ...] = ()

    films = [Film() for _ in range(5)]
    films[3].labels = films[4].labels = ("fracture",)
    scores = np.array([0.9, 0.7, 0.1, 0.05, 0.62])
    logits = np.log(scores / (1 - scores))[:, None].astype(np.float32)
    decision = {"temperature": 1.0, "fracture.high_sensitivity": 0.6}
    decided = decide_films(logits, films, ("fracture",), "sigmoid", decision)
    found = list(wrong_and_uncertain(decided, 0, 2).values())
    assert found == [[0, 1], [3], [4, 1]]


def test_films_are_called_by_what_nobody_can_guess_back_to_a_name():
    film = Example(Path("0001_WRI-L1_M014.png"), (), "", "p", "s", "0" * 64)
    assert re.fullmatch(r"[0-9a-f]{12}", title_of(film, names=False))
    assert title_of(film, names=False) != title_of(replace(film, sha256="1" * 64), names=False)
    assert title_of(film, names=True) == film.path.name


def test_page_refuses_pictures_that_lie_elsewhere():
    with pytest.raises(ValueError, match="data:"):
        Page("x").figure("a picture", "file.png")
