"""Temperature and two operating points of every finding, from logits of validation films."""

import logging

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]  # no stubs

from model.findings import NO_FINDING
from model.networks.selector import Activation

logger = logging.getLogger(__name__)

SENSITIVITY = 0.95
SPECIFICITY = 0.95
_LOG_REACH = 3.0


def scores_of(
    logits: NDArray[np.float32], activation: Activation, temperature: float
) -> NDArray[np.float64]:
    """Return calibrated probabilities [films, classes]."""
    if activation == "softmax":
        return softmax(logits, temperature)
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64) / temperature)))


def temperature_of(
    logits: NDArray[np.float32], truth: NDArray[np.float32], activation: Activation
) -> float:
    """Return the temperature of least negative log likelihood."""
    if activation == "softmax":
        return fit_temperature(logits, truth.argmax(axis=1))

    def surprise(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        return float((np.logaddexp(0, scaled) - truth * scaled).mean())

    best = minimize_scalar(surprise, bounds=(-_LOG_REACH, _LOG_REACH), method="bounded")
    return float(np.exp(best.x))


def decide(
    logits: NDArray[np.float32],
    truth: NDArray[np.float32],
    classes: tuple[str, ...],
    activation: Activation,
) -> dict[str, float]:
    """Return ``temperature`` and, by ``{finding}.high_sensitivity`` and so on, operating points.

    A finding that all or none of the films have gets none, and a warning says so. Where the
    fracture is among them its points also stand without a prefix, as the export reads them.
    """
    temperature = temperature_of(logits, truth, activation)
    scores = scores_of(logits, activation, temperature)
    decision = {"temperature": temperature}
    for column, name in enumerate(classes):
        positive = truth[:, column] > 0
        if name == NO_FINDING:
            continue
        if positive.all() or not positive.any():
            logger.warning("%s: no operating points, all judged films are alike", name)
            continue
        low, high = operating_points(scores[:, column], positive)
        points = {"high_sensitivity": low, "high_specificity": high}
        decision |= {f"{name}.{key}": value for key, value in points.items()}
        if name == "fracture":
            decision |= points
    return decision


def softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Return probabilities [n, classes] of logits divided by the temperature."""
    scaled = logits.astype(np.float64) / temperature
    shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature of least negative log likelihood (Guo et al. 2017)."""
    rows = np.arange(len(labels))

    def surprise(log_temperature: float) -> float:
        chosen = softmax(logits, float(np.exp(log_temperature)))[rows, labels]
        return float(-np.log(np.clip(chosen, 1e-12, None)).mean())

    best = minimize_scalar(surprise, bounds=(-_LOG_REACH, _LOG_REACH), method="bounded")
    return float(np.exp(best.x))


def operating_points(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return (high sensitivity, high specificity), the first never above the second.

    A score below the first is negative, from the second on positive. The first keeps at least
    95 % of the positives at or above it; the second at least 95 % of the others below it.
    """
    sick, well = np.sort(scores[positive]), np.sort(scores[~positive])
    lowest_kept = sick[int(np.floor((1 - SENSITIVITY) * len(sick)))]
    highest_left = well[int(np.ceil(SPECIFICITY * len(well))) - 1]
    sensitive = _between(scores[scores < lowest_kept].max(initial=0.0), lowest_kept)
    specific = _between(highest_left, scores[scores > highest_left].min(initial=1.0))
    low, high = sorted((sensitive, specific))
    return float(np.clip(low, 1e-4, 1 - 1e-4)), float(np.clip(high, 1e-4, 1 - 1e-4))


def _between(below: float, above: float) -> float:
    """Return the middle of two scores, so that no film's own rounding decides about it."""
    return (float(below) + float(above)) / 2
