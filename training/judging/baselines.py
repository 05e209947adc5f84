"""What simple methods reach on the same films: the figures a network has to beat.

`shortcut` looks at no picture at all: file size and mode. `frozen` is a logistic regression on the
pooled features of the network as it was before training.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model.findings import NO_FINDING
from model.networks.hourglass import Localiser
from model.networks.registry import Network
from training.data.examples import Example, meets
from training.data.films import Films
from training.data.radiographs import coding_of
from training.data.truth import targets
from training.judging.metrics import interval, ranking, resample
from training.judging.responses import pooled_features

Reached = dict[str, dict[str, list[float]]]
"""By method and finding: AUROC, lower, upper."""

_SHORTCUT_REGULARISATION = 1.0
_FROZEN_REGULARISATION = 0.01


def reached_without_training(
    network: Network, train: Films, val: Films, classes: Sequence[str], judged: dict[str, str]
) -> Reached:
    """Return the AUROC of every finding by file facts and by frozen features.

    Only films to train on that are like those judged are learnt from.
    """
    if isinstance(network, Localiser):
        return {}
    rows = [row for row, example in enumerate(train.examples) if meets(example, judged)]
    sides = ([train.examples[row] for row in rows], val.examples)
    facts = [_file_facts(examples) for examples in sides]
    seen = (pooled_features(network, train, rows), pooled_features(network, val))
    features = [found.astype(np.float64) for found in seen]
    return {
        "shortcut": _areas(facts, sides, classes, _SHORTCUT_REGULARISATION),
        "frozen": _areas(features, sides, classes, _FROZEN_REGULARISATION),
    }


def _file_facts(films: Sequence[Example]) -> NDArray[np.float64]:
    facts = []
    for film in films:
        size, (pixels, mode) = film.path.stat().st_size, coding_of(film.path)
        facts.append([np.log(size), np.log(size / pixels), float(mode != "L")])
    return np.asarray(facts)


def _areas(
    values: list[NDArray[np.float64]],
    sides: tuple[list[Example], list[Example]],
    classes: Sequence[str],
    regularisation: float,
) -> dict[str, list[float]]:
    truth = [targets(films, tuple(classes)) > 0 for films in sides]
    weights = resample([film.patient for film in sides[1]])
    found = {}
    for column, name in enumerate(classes):
        known, asked = truth[0][:, column], truth[1][:, column]
        if name == NO_FINDING or known.all() or not known.any():
            continue
        regression = LogisticRegression(C=regularisation, max_iter=2000)
        learned = make_pipeline(StandardScaler(), regression).fit(values[0], known)
        scores = learned.predict_proba(values[1])[:, 1]
        area = interval(ranking(scores, asked, weights)[0])
        found[name] = [round(value, 4) for value in area]
    return found
