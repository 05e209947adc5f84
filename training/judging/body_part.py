"""The gate tells a film of the body part from another, by its pixels alone.

A logistic regression on the means of all backbone nodes, fitted after training. Films to accept
also come zoomed and turned, so that a close wrist passes as well as a whole hand. A gate that tells
hands from other limbs was tried and refused every tightly cropped wrist of another hospital
(docs/results.md): other limbs are left to BodyPartExamined.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from model.networks.pim import Pim
from training.data.changes import change
from training.data.examples import DataError, Example, meets, read_manifest
from training.data.films import Films, normaliser
from training.judging.responses import pooled_features
from training.recipe import Recipe
from training.recipe.sections import AugmentSection, GateSection

QUANTILE = 0.99
_CLOSE_UPS = AugmentSection(
    rotation_deg=25,
    zoom=0.5,
    shift=0.12,
    flip=0.5,
    upside_down=0.3,
    gamma=0.5,
    contrast=0.2,
    coarsen=0.25,
    noise=0.03,
    blur=0.0,
    sharpen=0.0,
)
_REGULARISATION = 0.02
_BATCH = 32

Sides = tuple[list[Example], list[Example]]
"""(films to train on, films to judge by)."""


def refused_films(section: GateSection, recipe: Recipe) -> Sides:
    """Read the films that the gate must refuse.

    Raises
    ------
    DataError
        There are none on one of the sides.
    """
    films = read_manifest(section.refuse, where=section.where)
    sides = [
        [film for film in films if film.split == split]
        for split in (recipe.data.train, recipe.data.val)
    ]
    if not all(sides):
        raise DataError(f"{section.refuse}: no films of train and val for the gate to refuse")
    return sides[0], sides[1]


def fit_gate(
    network: Pim, accepted: Sides, refused: Sides, recipe: Recipe
) -> tuple[float, dict[str, float]]:
    """Fit a network's gate; return the threshold and the shares of judged films that pass.

    Parameters
    ----------
    network : Pim
        Its gate is fitted in place.
    accepted, refused : (list of Example, list of Example)
        Films to train on and films to judge by: which the gate must let pass, and which not.
    recipe : Recipe
        With a gate section.
    """
    assert recipe.gate is not None
    learned = Films(_drawn(accepted[0], recipe), "letterbox", recipe.profile(), keep=False)
    others = Films(
        _some(refused[0], recipe.gate.films, recipe.seed), "letterbox", recipe.profile(), keep=False
    )
    features = [_with_close_ups(network, films) for films in (learned, others)]
    inside = np.repeat([True, False], [len(found) for found in features])
    fit(network, np.concatenate(features), inside)
    logits = [gate_logits(network, films, recipe) for films in (accepted[1], refused[1])]
    threshold = choose_threshold(*logits)
    return threshold, passing(accepted[1], logits, threshold, recipe.data.judged)


def vary(units: Tensor, seed: int) -> Tensor:
    """Return close, turned and differently exposed versions of pictures [n, size, size]."""
    generator = torch.Generator().manual_seed(seed)
    return change(units, units.shape[-1], _CLOSE_UPS, generator)[0]


def fit(network: Pim, features: NDArray[np.float32], inside: NDArray[np.bool_]) -> None:
    """Fit the network's gate to pooled features [n, channels]; `inside` says which are accepted."""
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


def gate_logits(network: Pim, examples: list[Example], recipe: Recipe) -> NDArray[np.float32]:
    """Return the gate's logits [films]."""
    films = Films(examples, "letterbox", recipe.profile(), keep=False)
    features = torch.from_numpy(pooled_features(network, films))
    with torch.no_grad():
        return np.asarray(network.gate(features).squeeze(1).numpy())


def passing(
    accepted: list[Example],
    logits: Sequence[NDArray[np.float32]],
    threshold: float,
    judged: Mapping[str, str],
) -> dict[str, float]:
    """Return the share that passes: of judged films, other accepted films, refused films.

    `logits` are those of the films to accept and of those to refuse.
    """
    passes = [1 / (1 + np.exp(-found.astype(np.float64))) >= threshold for found in logits]
    ours = np.array([meets(example, judged) for example in accepted], dtype=bool)
    kinds = {"judged": passes[0][ours], "others": passes[0][~ours], "refused": passes[1]}
    return {f"{name}_accepted": float(found.mean()) for name, found in kinds.items() if len(found)}


def _drawn(examples: list[Example], recipe: Recipe) -> list[Example]:
    """Draw as many of the films like those judged as of the others."""
    assert recipe.gate is not None
    ours = [example for example in examples if meets(example, recipe.data.judged)]
    others = [example for example in examples if not meets(example, recipe.data.judged)]
    count, seed = recipe.gate.films, recipe.seed
    return _some(ours, count, seed) + _some(others, count, seed + 1)


def _some(examples: list[Example], count: int, seed: int) -> list[Example]:
    rows = np.random.default_rng(seed).permutation(len(examples))[:count]
    return [examples[row] for row in rows.tolist()]


def _with_close_ups(network: Pim, films: Films) -> NDArray[np.float32]:
    """Return pooled features [2 * films, channels] of films as they are and of close versions."""
    return np.concatenate(list(_features(network, films)))


@torch.no_grad()
def _features(network: Pim, films: Films) -> Iterator[NDArray[np.float32]]:
    network.eval()
    normalise = normaliser(films.profile)
    device = next(network.parameters()).device
    for start in range(0, len(films), _BATCH):
        rows = range(start, min(start + _BATCH, len(films)))
        units = torch.stack([films[row] for row in rows])
        for seen in (units, vary(units, seed=start)):
            image = normalise(seen).to(device).contiguous(memory_format=torch.channels_last)
            yield np.asarray(network.features(image).float().cpu().numpy())
