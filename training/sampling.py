"""Which films a batch holds: fixed shares of hands and of fractures, else at random."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.config import DataSection
from training.data import Film


class Sampler:
    """Draws batches with replacement between strata, without it inside each until all were seen.

    Parameters
    ----------
    films : sequence of Film
    section : DataSection
        The shares.
    rng : numpy Generator
    """

    def __init__(
        self, films: Sequence[Film], section: DataSection, rng: np.random.Generator
    ) -> None:
        self._rng = rng
        hand, broken = section.hand_share, section.fractured_share
        shares = {
            (True, True): hand * broken,
            (True, False): hand * (1 - broken),
            (False, True): (1 - hand) * broken,
            (False, False): (1 - hand) * (1 - broken),
        }
        strata = {
            key: [i for i, film in enumerate(films) if (film.hand_only, film.fractured) == key]
            for key in shares
        }
        self._strata = [np.asarray(rows) for rows in strata.values() if rows]
        weights = np.array([shares[key] for key, rows in strata.items() if rows])
        if not weights.sum() > 0:
            raise ValueError("there are no films to draw from")
        self._weights = weights / weights.sum()
        self._decks: list[list[int]] = [[] for _ in self._strata]

    def draw(self, batch: int) -> NDArray[np.intp]:
        """Return the rows of `batch` films."""
        strata = self._rng.choice(len(self._strata), size=batch, p=self._weights)
        return np.array([self._next(int(stratum)) for stratum in strata], dtype=np.intp)

    def _next(self, stratum: int) -> int:
        if not self._decks[stratum]:
            self._decks[stratum] = self._rng.permutation(self._strata[stratum]).tolist()
        return self._decks[stratum].pop()
