"""Which films each pass takes: a function of seed and epoch alone, so that a run can go on.

Nothing is remembered between passes: whoever resumes at pass n draws the same films, changes and
dropout as a run that was never stopped.
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray

from model.findings import NO_FINDING
from training.data.examples import DataError, Example, meets
from training.recipe.sections import DataSection, Share


def passes_of(films: int, batch: int) -> int:
    """Return the passes of one epoch; the last may be smaller."""
    return ceil(films / batch)


def epoch_rows(
    examples: Sequence[Example], section: DataSection, seed: int, epoch: int
) -> NDArray[np.intp]:
    """Return as many rows as there are films, drawn as the section says.

    "shuffle" takes every film once; "balanced" draws films so that classes are equal, a film with
    several labels as its rarest; "shares" draws strata with replacement, and inside each stratum
    takes every film once before any again.
    """
    rng = np.random.default_rng([seed, epoch])
    count = len(examples)
    if section.sampler == "shuffle":
        return rng.permutation(count)
    if section.sampler == "balanced":
        return rng.choice(count, size=count, p=balanced_weights(examples))
    return _by_shares(strata(examples, section.shares), section.shares, count, rng)


def balanced_weights(examples: Sequence[Example]) -> NDArray[np.float64]:
    """Return the chance of each film to be drawn, in sum 1: every class alike."""
    labels = [example.labels or (NO_FINDING,) for example in examples]
    frequency = Counter(name for names in labels for name in names)
    weights = np.array([1 / min(frequency[name] for name in names) for names in labels])
    return np.asarray(weights / weights.sum())


def strata(examples: Sequence[Example], shares: Sequence[Share]) -> list[list[int]]:
    """Return the rows that meet each condition first; rows that meet none are left out.

    Raises
    ------
    DataError
        No film meets one of the conditions.
    """
    found: list[list[int]] = [[] for _ in shares]
    for row, example in enumerate(examples):
        place = next((i for i, one in enumerate(shares) if meets(example, one.where)), None)
        if place is not None:
            found[place].append(row)
    empty = [share.where for share, rows in zip(shares, found, strict=True) if not rows]
    if empty:
        raise DataError(f"data.shares: no film to train on meets {empty[0]} (and nothing before)")
    return found


def _by_shares(
    rows: list[list[int]], shares: Sequence[Share], count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    weights = np.array([share.share for share in shares])
    drawn = rng.choice(len(rows), size=count, p=weights / weights.sum())
    places = np.empty(count, dtype=np.intp)
    for stratum, members in enumerate(rows):
        asked = np.flatnonzero(drawn == stratum)
        decks = [rng.permutation(members) for _ in range(-(-len(asked) // len(members)))]
        if decks:
            places[asked] = np.concatenate(decks)[: len(asked)]
    return places


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
