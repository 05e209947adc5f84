"""What another precision does to the task: the change of each finding's AUROC on real films."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.package import FindingSpec
from model.verified import TaskChange

RESAMPLES = 2000
_LOWER, _UPPER = 0.025, 0.975


def auroc(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the area under the ROC curve for every row of weights [draws, films]; NaN if none.

    Ties count a half.
    """
    wins = np.sign(scores[positive][:, None] - scores[~positive][None]) / 2 + 0.5
    up, down = weights[:, positive], weights[:, ~positive]
    with np.errstate(invalid="ignore"):
        return np.asarray(
            np.einsum("dp,pn,dn->d", up, wins, down, optimize=True)
            / (up.sum(axis=1) * down.sum(axis=1))
        )


def draw(groups: Sequence[str], count: int = RESAMPLES) -> NDArray[np.float64]:
    """Return weights [1 + count, films]: the films as they are, then draws of whole groups."""
    random = np.random.default_rng(0)
    _, owner = np.unique(np.asarray(groups), return_inverse=True)
    number = int(owner.max()) + 1
    drawn = random.multinomial(number, np.full(number, 1 / number), size=count).astype(float)
    return np.concatenate([np.ones((1, len(owner))), drawn[:, owner]])


def change_of(
    finding: FindingSpec,
    activation: str,
    logits: tuple[NDArray[np.float32], NDArray[np.float32]],
    positive: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> TaskChange:
    """Compare one finding's AUROC, paired: both precisions see the same draws.

    Parameters
    ----------
    finding : FindingSpec
    activation : "softmax" or "sigmoid"
    logits : (reference, ours), each [films, classes]
    positive : array [films]
    weights : array [draws, films]
        From `draw`.
    """
    before, after = (
        auroc(_score(each, finding.class_index, activation), positive, weights) for each in logits
    )
    changes = (after - before)[1:]
    lower, upper = np.nanquantile(changes, [_LOWER, _UPPER])
    return TaskChange(
        finding=finding.name,
        films=len(positive),
        positive=int(positive.sum()),
        auroc_reference=round(float(before[0]), 4),
        auroc=round(float(after[0]), 4),
        change=tuple(round(float(v), 4) for v in (after[0] - before[0], lower, upper)),
    )


def _score(logits: NDArray[np.float32], index: int, activation: str) -> NDArray[np.float64]:
    """Return a score with the order of the class's probability, without its rounding to 1."""
    values = logits.astype(np.float64)
    if activation == "sigmoid":
        return np.asarray(values[:, index])
    others = np.delete(values, index, axis=1)
    rest = np.logaddexp.reduce(others, axis=1) if others.shape[1] else 0.0
    return np.asarray(values[:, index] - rest)
