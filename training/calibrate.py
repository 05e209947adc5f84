"""Temperature and operating points, from logits of films the network was not trained on."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]  # no stubs

SENSITIVITY = 0.95
SPECIFICITY = 0.95
_LOG_REACH = 3.0


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
