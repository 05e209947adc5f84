"""Figures of one finding with 95 % intervals from a bootstrap over patients.

All resamples are computed at once: a resample is a weight for each film (how often its patient was
drawn), and every figure is a ratio of weighted sums. Draws in which a figure does not exist (no
positive film, for example) do not enter its interval. A figure that does not exist is NaN.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Figure = tuple[float, float, float]
"""(value, lower, upper): 95 % interval of a bootstrap over patients."""

BINS = 15
RESAMPLES = 1000
_LEVELS = (0.025, 0.975)
_GRID = 101


@dataclass(frozen=True, eq=False)
class BandedCurve:
    """A curve of the films, and the 95 % band of a bootstrap over patients.

    Attributes
    ----------
    x, y : array [points]
        One point for each different score.
    grid, lower, upper : array [places]
        The band, at fixed places of x.
    """

    x: Floats
    y: Floats
    grid: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class ReliabilityBin:
    """Films of like scores: how many, their mean score, the share of them that is positive."""

    films: int
    stated: float
    observed: Figure


def resample(patients: Sequence[str], count: int = RESAMPLES, seed: int = 0) -> Floats:
    """Return weights [1 + count, films]: the films as they are, then `count` draws of patients."""
    rng = np.random.default_rng(seed)
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    groups = int(owner.max()) + 1
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=count).astype(float)
    return np.concatenate([np.ones((1, len(owner))), drawn[:, owner]])


def interval(values: Floats) -> Figure:
    """Return (value, lower, upper) of a figure [1 + draws] whose first entry is the value."""
    draws = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(draws):
        return float(values[0]), float("nan"), float("nan")
    lower, upper = np.quantile(draws, _LEVELS)
    return float(values[0]), float(lower), float(upper)


def figures(
    scores: Floats, positive: Bools, predicted: Bools, weights: Floats
) -> dict[str, Floats]:
    """Return every figure of one finding for every resample.

    Parameters
    ----------
    scores : array [films]
        Probabilities.
    positive : array [films]
        The truth.
    predicted : array [films]
        The decision.
    weights : array [resamples, films]

    Returns
    -------
    dict of str to array [resamples]
    """
    area, precision = ranking(scores, positive, weights)
    return decisions(positive, predicted, weights) | {
        "auroc": area,
        "average_precision": precision,
        "ece": calibration_error(scores, positive, weights),
        "brier": _ratio(weights @ np.square(scores - positive), weights.sum(axis=1)),
    }


def decisions(positive: Bools, predicted: Bools, weights: Floats) -> dict[str, Floats]:
    """Return the figures of a yes or no, for every resample."""
    hits = weights @ (positive & predicted)
    misses = weights @ (positive & ~predicted)
    alarms = weights @ (~positive & predicted)
    passes = weights @ (~positive & ~predicted)
    return {
        "sensitivity": _ratio(hits, hits + misses),
        "specificity": _ratio(passes, passes + alarms),
        "ppv": _ratio(hits, hits + alarms),
        "npv": _ratio(passes, passes + misses),
        "f1": _ratio(2 * hits, 2 * hits + alarms + misses),
        "accuracy": _ratio(hits + passes, hits + misses + alarms + passes),
    }


def ranking(scores: Floats, positive: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """Return area under the ROC curve and average precision; ties count half, or as one step."""
    ours, others = _by_score(scores, positive, weights)
    sick, well = ours.sum(axis=1), others.sum(axis=1)
    below = well[:, None] - np.cumsum(others, axis=1)
    area = _ratio((ours * (below + others / 2)).sum(axis=1), sick * well)
    found, asked = np.cumsum(ours, axis=1), np.cumsum(ours + others, axis=1)
    precision = np.divide(found, asked, out=np.zeros_like(found), where=asked > 0)
    return area, _ratio((precision * ours).sum(axis=1), sick)


def roc(scores: Floats, positive: Bools, weights: Floats) -> BandedCurve:
    """Return sensitivity over 1 - specificity; there must be positive and other films."""
    found, alarms = (np.cumsum(part, axis=1) for part in _by_score(scores, positive, weights))
    usable = (found[:, -1] > 0) & (alarms[:, -1] > 0)
    start = np.zeros((int(usable.sum()), 1))
    x = np.hstack([start, alarms[usable] / alarms[usable, -1:]])
    y = np.hstack([start, found[usable] / found[usable, -1:]])
    return _banded(x, y, np.linspace(0, 1, _GRID), np.interp)


def precision_recall(scores: Floats, positive: Bools, weights: Floats) -> BandedCurve:
    """Return precision over recall, in steps as average precision takes them."""
    found, alarms = (np.cumsum(part, axis=1) for part in _by_score(scores, positive, weights))
    usable = found[:, -1] > 0
    x = found[usable] / found[usable, -1:]
    y = _ratio(found, found + alarms)[usable]

    def first_reaching(grid: Floats, recall: Floats, precision: Floats) -> Floats:
        reached = np.searchsorted(recall, grid - 1e-9)
        return np.asarray(precision[np.minimum(reached, len(precision) - 1)])

    return _banded(x, y, np.linspace(0, 1, _GRID)[1:], first_reaching)


def reliability(scores: Floats, positive: Bools, weights: Floats) -> list[ReliabilityBin]:
    """Return the bins of `calibration_error` that hold films, lowest scores first."""
    bins = _bins(scores)
    found = []
    for number in np.unique(bins):
        inside = bins == number
        observed = _ratio(weights @ (inside & positive), weights @ inside)
        stated = float(scores[inside].mean())
        found.append(ReliabilityBin(int(inside.sum()), stated, interval(observed)))
    return found


def calibration_error(scores: Floats, positive: Bools, weights: Floats) -> Floats:
    """Return the expected calibration error over 15 equal bins (Guo et al. 2017)."""
    inside = (_bins(scores)[:, None] == np.arange(BINS)).astype(float)
    gap = np.abs(weights @ (inside * (scores - positive)[:, None])).sum(axis=1)
    return _ratio(gap, weights.sum(axis=1))


def top_k(logits: NDArray[np.float32] | Floats, truth: NDArray[np.int64], k: int) -> Bools:
    """Return whether each film's class is among the `k` largest, or all where there are less."""
    reach = min(k, logits.shape[1])
    largest = np.argsort(-logits, axis=1, kind="stable")[:, :reach]
    hit: Bools = (largest == truth[:, None]).any(axis=1)
    return hit


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Floats:
    """Return counts [classes, classes], rows actual, columns predicted."""
    matrix = np.zeros((classes, classes))
    np.add.at(matrix, (truth, predicted), 1)
    return matrix


def _bins(scores: Floats) -> NDArray[np.int64]:
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def _by_score(scores: Floats, positive: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """Return the weights of positive and other films at each score, largest first."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    ours = np.add.reduceat((weights * positive)[:, order], starts, axis=1)
    others = np.add.reduceat((weights * ~positive)[:, order], starts, axis=1)
    return ours, others


def _banded(
    x: Floats, y: Floats, grid: Floats, at: Callable[[Floats, Floats, Floats], Floats]
) -> BandedCurve:
    """Put a band around the first of curves [resamples, points]; `at` reads one at the grid."""
    draws = np.stack([at(grid, *one) for one in zip(x[1:], y[1:], strict=True)])
    lower, upper = np.quantile(draws, _LEVELS, axis=0)
    return BandedCurve(x[0], y[0], grid, lower, upper)


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.full_like(above, np.nan, dtype=np.float64)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio
