"""What simple methods reach on the same films: the figures a network has to beat.

`shortcut` looks at no picture at all: file size and JPEG mode. `frozen` is a logistic regression
on the pooled features of the backbone as it was before training.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model.networks.pim import Pim
from model.pixels import PixelProfile
from training.data import Film, load_pictures
from training.evaluate import answer_all, with_interval

_REGULARISATION = 0.01


def _file_facts(films: Sequence[Film]) -> NDArray[np.float64]:
    facts = []
    for film in films:
        with Image.open(film.path) as image:
            mode, pixels = image.mode, image.width * image.height
        size = film.path.stat().st_size
        facts.append([np.log(size), np.log(size / pixels), float(mode != "L")])
    return np.asarray(facts)


def _compare(
    known: NDArray[np.float64],
    asked: NDArray[np.float64],
    train: list[Film],
    held: list[Film],
    regularisation: float,
) -> list[float]:
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=regularisation, max_iter=2000)
    ).fit(known, [film.fractured for film in train])
    scores = model.predict_proba(asked)[:, 1]
    positive = np.array([film.fractured for film in held])
    groups = [film.group for film in held]
    interval = with_interval(lambda s, y: float(roc_auc_score(y, s)), scores, positive, groups)
    return [round(value, 4) for value in interval]


def shortcut(train: list[Film], held: list[Film]) -> list[float]:
    """AUROC with interval of file size and JPEG mode."""
    return _compare(_file_facts(train), _file_facts(held), train, held, 1.0)


def frozen(network: Pim, train: list[Film], held: list[Film], profile: PixelProfile) -> list[float]:
    """AUROC with interval of a logistic regression on the untrained network's pooled features."""
    known, asked = (
        answer_all(network, load_pictures(films, profile), profile).pooled.astype(np.float64)
        for films in (train, held)
    )
    return _compare(known, asked, train, held, _REGULARISATION)
