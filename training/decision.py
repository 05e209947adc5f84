"""Temperature and two operating points of every finding, chosen on validation films."""

import logging
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]  # no stubs

from model.findings import NO_FINDING
from training.calibrate import fit_temperature, operating_points, softmax

logger = logging.getLogger(__name__)

Activation = Literal["softmax", "sigmoid"]
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
