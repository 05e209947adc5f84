"""Tables of figures with intervals over patients: findings, landmarks, and both by stratum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.networks.selector import Activation
from training.data.examples import STRATA, Example
from training.data.truth import targets
from training.judging.decision import scores_of
from training.judging.metrics import Figure, decisions, figures, interval, resample

Table = dict[str, dict[str, Figure]]
"""By class or landmark, and figure."""
Strata = dict[str, dict[str, Table]]
"""By column, value, class and figure."""

POINTS = ("high_sensitivity", "high_specificity")
ALL_LANDMARKS = "all"
_HALF = 0.5
_NEAR = (0.02, 0.05)
"""Distances, fractions of the input's side, within which landmarks are counted as found."""


@dataclass(frozen=True, eq=False)
class Decided:
    """What was said of films, beside the truth.

    Attributes
    ----------
    scores : array [films, classes]
        Calibrated probabilities.
    truth, positive : bool array [films, classes]
        What is there, and what was decided: the class of the largest score, or every class from
        its high-sensitivity point on (one half where it has none).
    margin : array [films, classes]
        How far the decision lies from the opposite one, 0 to 1.
    """

    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    margin: NDArray[np.float64]


def decide_films(
    logits: NDArray[np.float32],
    examples: Sequence[Example],
    classes: tuple[str, ...],
    activation: Activation,
    decision: Mapping[str, float],
) -> Decided:
    """Turn logits [films, classes] into scores and decisions; see `by_finding`."""
    scores = scores_of(logits, activation, decision["temperature"])
    if activation == "softmax":
        columns = np.arange(len(classes))
        positive = logits.argmax(axis=1)[:, None] == columns
        others = [np.delete(scores, column, axis=1).max(axis=1) for column in columns]
        margin = np.abs(scores - np.stack(others, axis=1))
    else:
        points = [decision.get(f"{name}.{POINTS[0]}") or _HALF for name in classes]
        positive, margin = scores >= points, np.abs(scores - points)
    return Decided(scores, targets(list(examples), classes) > 0, positive, margin)


def by_finding(
    logits: NDArray[np.float32],
    examples: Sequence[Example],
    classes: tuple[str, ...],
    activation: Activation,
    decision: dict[str, float],
) -> Table:
    """Return every figure of every class.

    Parameters
    ----------
    logits : array [films, classes]
    examples : sequence of Example
        The films.
    classes, activation
        Of the network.
    decision : dict
        Temperature and operating points, see `training.judging.decision.decide`.
    """
    decided = decide_films(logits, examples, classes, activation, decision)
    weights = resample([example.patient for example in examples])
    table: Table = {}
    for column, name in enumerate(classes):
        positive, score = decided.truth[:, column], decided.scores[:, column]
        found = figures(score, positive, decided.positive[:, column], weights)
        for point in POINTS:
            threshold = decision.get(f"{name}.{point}")
            if threshold is not None:
                at = decisions(positive, score >= threshold, weights)
                found |= {f"{figure}_at_{point}": values for figure, values in at.items()}
        table[name] = {"films": (float(positive.sum()),) * 3} | {
            figure: interval(values) for figure, values in found.items()
        }
    return table


def by_stratum(
    logits: NDArray[np.float32],
    examples: Sequence[Example],
    classes: tuple[str, ...],
    activation: Activation,
    decision: dict[str, float],
) -> Strata:
    """Return the figures of every class within view, age band, sex, side, device, cast, metal."""
    about = (classes, activation, decision)
    return {
        kind: {
            value: by_finding(logits[rows], [examples[row] for row in rows], *about)
            for value, rows in groups.items()
        }
        for kind, groups in groups_of(examples).items()
    }


def groups_of(examples: Sequence[Example]) -> dict[str, dict[str, list[int]]]:
    """Return the rows of the films that share a value, for each column with several values."""
    found: dict[str, dict[str, list[int]]] = {}
    for kind in STRATA:
        values = [str(getattr(example, kind)) or "unknown" for example in examples]
        if len(set(values)) > 1:
            found[kind] = {
                value: [row for row, own in enumerate(values) if own == value]
                for value in sorted(set(values))
            }
    return found


def by_landmark(
    distance: NDArray[np.floating], examples: Sequence[Example], names: Sequence[str]
) -> Table:
    """Return the mean distance, and the share of films within each limit, of every landmark.

    Parameters
    ----------
    distance : array [films, landmarks]
        From the true place, fractions of the input's side.
    examples : sequence of Example
        The films.
    names : sequence of str
        Of the landmarks; `ALL_LANDMARKS` is added, over all of them.
    """
    weights = resample([example.patient for example in examples])
    parts = {name: distance[:, [place]] for place, name in enumerate(names)}
    return {
        name: {figure: _mean(values, weights) for figure, values in _nearness(part).items()}
        for name, part in (parts | {ALL_LANDMARKS: distance}).items()
    }


def landmarks_by_stratum(distance: NDArray[np.floating], examples: Sequence[Example]) -> Strata:
    """Return the figures of all landmarks together within each stratum."""
    return {
        kind: {
            value: by_landmark(distance[rows], [examples[row] for row in rows], ())
            for value, rows in groups.items()
        }
        for kind, groups in groups_of(examples).items()
    }


def _nearness(distance: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Return the figures of each film, over the landmarks [films, landmarks] given."""
    figures = {"mean_distance": distance.mean(axis=1)}
    for near in _NEAR:
        figures[f"within_{near * 100:.0f}_percent"] = (distance <= near).mean(axis=1)
    return figures


def _mean(values: NDArray[np.floating], weights: NDArray[np.float64]) -> Figure:
    return interval(weights @ values / weights.sum(axis=1))
