"""The gate tells a film of a limb from a chest film, by its pixels alone.

A logistic regression on the means of all backbone nodes, fitted after training. Limbs also come
zoomed and turned, so that a close wrist passes as well as a whole hand. A gate that tells hands
from other limbs was tried and refused every tightly cropped wrist of another hospital
(docs/results.md): other limbs are left to BodyPartExamined.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from model.networks.pim import Pim
from model.pixels import PixelProfile
from training.augment import augment
from training.config import AugmentSection, Recipe
from training.data import Film, load_pictures
from training.evaluate import answer, answer_all

QUANTILE = 0.99
CHEST = "chest"
_CLOSE_UPS = AugmentSection(
    rotation_deg=25, zoom=0.5, shift=0.12, flip=0.5, upside_down=0.3, gamma=0.5
)
_REGULARISATION = 0.02
_BATCH = 32


def vary(units: Tensor, seed: int) -> Tensor:
    """Return close, turned and differently exposed versions of pictures [n, size, size]."""
    generator = torch.Generator().manual_seed(seed)
    return augment(units, torch.zeros(len(units), 1, 1), _CLOSE_UPS, generator)[0]


def fit_to_films(
    network: Pim,
    limbs: Sequence[Film],
    chests: Sequence[Film],
    recipe: Recipe,
    profile: PixelProfile,
) -> None:
    """Fit the network's gate on training films: limbs, whole and close up, against chests.

    Of hands, of other limbs and of chests, `recipe.data.gate_films` each are drawn.
    """
    rng = np.random.default_rng(recipe.seed)
    hands = [film for film in limbs if film.hand_only]
    others = [film for film in limbs if not film.shows_hand]
    examples = [
        films[row]
        for films in (hands, others, chests)
        for row in rng.permutation(len(films))[: recipe.data.gate_films].tolist()
    ]
    features: list[NDArray[np.float32]] = []
    for start in range(0, len(examples), _BATCH):
        pictures = load_pictures(examples[start : start + _BATCH], profile)
        units = pictures.units
        close = vary(torch.from_numpy(units), seed=start).numpy()
        quick = recipe.optimiser.bfloat16
        pair = [answer(network, seen, profile, quick).pooled for seen in (units, close)]
        features.append(np.stack(pair, axis=1).reshape(-1, pair[0].shape[1]))
    inside = np.repeat([film.region != CHEST for film in examples], 2)
    fit(network, np.concatenate(features), inside)


def judge(
    network: Pim, limbs: Sequence[Film], chests: Sequence[Film], profile: PixelProfile
) -> tuple[float, dict[str, float]]:
    """Choose the gate's threshold on held films; return it and the shares that pass."""
    films = [*limbs, *chests]
    logits = answer_all(network, load_pictures(films, profile), profile).gate
    chest = np.array([film.region == CHEST for film in films])
    threshold = choose_threshold(logits[~chest], logits[chest])
    return threshold, report(films, logits, threshold)


def fit(network: Pim, features: NDArray[np.float32], inside: NDArray[np.bool_]) -> None:
    """Fit the network's gate to pooled features [n, channels]; `inside` says which are limbs."""
    centre, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    regression = LogisticRegression(C=_REGULARISATION, class_weight="balanced", max_iter=1000)
    regression.fit((features - centre) / spread, inside)
    weight = regression.coef_[0] / spread
    bias = regression.intercept_[0] - float(weight @ centre)
    with torch.no_grad():
        network.gate.weight.copy_(torch.from_numpy(weight.astype(np.float32))[None])
        network.gate.bias.fill_(float(bias))


def choose_threshold(accepted: NDArray[np.float32], refused: NDArray[np.float32]) -> float:
    """Return the probability from which a film passes, given logits of films of either kind.

    The middle, in logits, between the 99 % quantile of what is to be refused and the 1 % quantile
    of what is to be accepted.
    """
    low = float(np.quantile(refused.astype(np.float64), QUANTILE))
    high = float(np.quantile(accepted.astype(np.float64), 1 - QUANTILE))
    return float(1 / (1 + np.exp(-((low + high) / 2))))


def report(
    films: Sequence[Film], logits: NDArray[np.float32], threshold: float
) -> dict[str, float]:
    """Return the share of each kind of film that passes."""
    passes = 1 / (1 + np.exp(-logits.astype(np.float64))) >= threshold
    kinds = {
        "hands": [film.hand_only for film in films],
        "other_limbs": [not film.shows_hand and film.region != CHEST for film in films],
        "chests": [film.region == CHEST for film in films],
    }
    return {
        f"{name}_accepted": float(passes[np.array(rows)].mean())
        for name, rows in kinds.items()
        if any(rows)
    }
