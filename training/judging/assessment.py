"""Figures of every finding, with intervals over patients: overall and by stratum."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.networks.selector import Activation
from training.data.examples import STRATA, Example
from training.data.truth import targets
from training.judging.decision import scores_of
from training.judging.metrics import decisions, figures, interval, resample

Figure = tuple[float, float, float]
"""(value, lower, upper): 95 % interval of a bootstrap over patients."""
Table = dict[str, dict[str, Figure]]
"""By class and figure."""

POINTS = ("high_sensitivity", "high_specificity")
_HALF = 0.5


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
    scores = scores_of(logits, activation, decision["temperature"])
    truth = targets(list(examples), classes) > 0
    weights = resample([example.patient for example in examples])
    table: Table = {}
    for column, name in enumerate(classes):
        positive, score = truth[:, column], scores[:, column]
        points = {point: decision.get(f"{name}.{point}") for point in POINTS}
        predicted = logits.argmax(axis=1) == column
        if activation == "sigmoid":
            predicted = score >= (points["high_sensitivity"] or _HALF)
        found = figures(score, positive, predicted, weights)
        for point, threshold in points.items():
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
) -> dict[str, dict[str, Table]]:
    """Return the figures of every class within view, age band, sex, side, device, cast, metal."""
    strata: dict[str, dict[str, Table]] = {}
    for kind in STRATA:
        values = [str(getattr(example, kind)) or "unknown" for example in examples]
        if len(set(values)) == 1:
            continue
        strata[kind] = {}
        for value in sorted(set(values)):
            rows = [row for row, found in enumerate(values) if found == value]
            films = [examples[row] for row in rows]
            strata[kind][value] = by_finding(logits[rows], films, classes, activation, decision)
    return strata
