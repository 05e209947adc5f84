"""Which films each pass takes: a function of seed and epoch alone, so that a run can go on.

Nothing is remembered between passes: whoever resumes at pass n draws the same films, changes and
dropout as a run that was never stopped.
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from model.findings import NO_FINDING
from training.examples import Example

Drawing = Literal["shuffle", "balanced"]


def passes_of(films: int, batch: int) -> int:
    """Return the passes of one epoch; the last may be smaller."""
    return ceil(films / batch)


def epoch_rows(
    examples: Sequence[Example], drawing: Drawing, seed: int, epoch: int
) -> NDArray[np.intp]:
    """Return as many rows as there are films: shuffled, or drawn so that classes are equal.

    A film with several labels counts as its rarest.
    """
    rng = np.random.default_rng([seed, epoch])
    count = len(examples)
    if drawing == "shuffle":
        return rng.permutation(count)
    weights = balanced_weights(examples)
    return rng.choice(count, size=count, p=weights)


def balanced_weights(examples: Sequence[Example]) -> NDArray[np.float64]:
    """Return the chance of each film to be drawn, in sum 1: every class alike."""
    labels = [example.labels or (NO_FINDING,) for example in examples]
    frequency = Counter(name for names in labels for name in names)
    weights = np.array([1 / min(frequency[name] for name in names) for names in labels])
    return np.asarray(weights / weights.sum())


def rank_batches(rows: NDArray[np.intp], batch: int, rank: int, ranks: int) -> list[list[int]]:
    """Cut rows into passes and give one rank its part of each: equal parts for all ranks.

    The last pass is filled up from the first rows where it does not divide.
    """
    parts = []
    for start in range(0, len(rows), batch):
        whole = rows[start : start + batch]
        lacking = -len(whole) % ranks
        whole = np.concatenate([whole, rows[:lacking]])
        parts.append(whole[rank::ranks].tolist())
    return parts


def generator_of(seed: int, number: int, rank: int) -> torch.Generator:
    """Return the generator of one pass on one rank."""
    mixed = int(np.random.SeedSequence([seed, number, rank]).generate_state(1)[0])
    return torch.Generator().manual_seed(mixed)
