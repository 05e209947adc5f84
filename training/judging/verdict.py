"""How a run judges its network: the figure that chooses, calibration, figures with intervals."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from model.findings import NO_FINDING
from model.networks.hourglass import Localiser
from model.networks.pim import Pim
from model.networks.registry import Network
from training.data.films import Films
from training.data.located import locate
from training.data.supply import Supply
from training.data.truth import targets
from training.judging.assessment import Table, by_finding, by_landmark
from training.judging.body_part import fit_gate, refused_films
from training.judging.boxes import compare, graph_maps
from training.judging.decision import decide
from training.judging.responses import answer_films, place_films
from training.recipe import Recipe


@dataclass(frozen=True)
class Judgement:
    """What judging says of a network.

    Attributes
    ----------
    figures : dict
        Numbers, tables of [value, lower, upper].
    decision : dict
        Temperature, operating points, gate threshold.
    """

    figures: dict[str, Any]
    decision: dict[str, float] = field(default_factory=dict)


class Judge(Protocol):
    """Judges by validation films; `chosen_by` names the figure that decides which is the best."""

    chosen_by: str

    def judge(self, network: Network, ended: bool) -> Judgement:
        """Judge a network; at the end of the run with everything that takes time."""


def judge_of(recipe: Recipe, supply: Supply) -> Judge:
    """Return the judge of a recipe's task."""
    if recipe.task == "landmarks":
        return OfPlaces(recipe, supply.val)
    return OfClasses(recipe, supply)


class OfClasses:
    """Judges by top-1 accuracy, or the mean AUROC of the findings; fixed before the run."""

    def __init__(self, recipe: Recipe, supply: Supply) -> None:
        self._recipe, self._val = recipe, supply.val
        self._accepted = (supply.train.examples, supply.held)
        self._refused = None if recipe.gate is None else refused_films(recipe.gate, recipe)
        self._truth = targets(supply.val.examples, recipe.classes)
        self.chosen_by = "accuracy" if recipe.is_exclusive else "mean_auroc"

    def judge(self, network: Network, ended: bool) -> Judgement:
        """Answer for all films, calibrate, choose operating points, and at the end measure."""
        assert not isinstance(network, Localiser)
        recipe = self._recipe
        logits = answer_films(network, self._val).logits
        figures: dict[str, Any] = self._short(logits)
        figures["positives"] = dict(
            zip(recipe.classes, self._truth.sum(axis=0).astype(int).tolist(), strict=True)
        )
        decision = decide(logits, self._truth, recipe.classes, recipe.activation)
        if not ended:
            return Judgement(figures, decision)
        figures |= self._long(logits, decision)
        if any(example.boxes for example in self._val.examples):
            figures["localisation"] = self._pointing(network)
        if self._refused is not None and isinstance(network, Pim):
            threshold, passing = fit_gate(network, self._accepted, self._refused, recipe)
            decision["gate_threshold"], figures["gate"] = threshold, passing
        return Judgement(figures, decision)

    def _short(self, logits: NDArray[np.float32]) -> dict[str, float]:
        figures = {}
        if self._recipe.is_exclusive:
            right = logits.argmax(axis=1) == self._truth.argmax(axis=1)
            figures["accuracy"] = float(right.mean())
        known = [c for c in range(logits.shape[1]) if 0 < self._truth[:, c].mean() < 1]
        areas = [float(roc_auc_score(self._truth[:, c], logits[:, c])) for c in known]
        figures["mean_auroc"] = float(np.mean(areas)) if areas else 0.5
        return figures

    def _long(self, logits: NDArray[np.float32], decision: dict[str, float]) -> dict[str, Any]:
        recipe, examples = self._recipe, self._val.examples
        table = by_finding(logits, examples, recipe.classes, recipe.activation, decision)
        return {
            "films": len(examples),
            "patients": len({example.patient for example in examples}),
            "findings": _rounded_table(
                {
                    name: found
                    for name, found in table.items()
                    if name != NO_FINDING or len(recipe.classes) > 2  # noqa: PLR2004 - else a mirror
                }
            ),
        }

    def _pointing(self, network: Any) -> dict[str, Any]:  # noqa: ANN401 - Pim or Classifier
        boxed = [example for example in self._val.examples if example.boxes]
        finding = boxed[0].labels[0]
        draw = graph_maps(network, self._recipe.classes.index(finding))
        table = compare(draw, boxed, self._recipe.profile())
        return {"films": len(boxed)} | {
            kind: found["pointing_game"] for kind, found in table.items() if kind != "films"
        }


class OfPlaces:
    """Judges landmarks by their mean distance; the best has the smallest."""

    def __init__(self, recipe: Recipe, val: Films) -> None:
        self._val, self._names = val, recipe.landmarks()
        self._true = locate(val, self._names).points.numpy()
        self.chosen_by = "nearness"

    def judge(self, network: Network, ended: bool) -> Judgement:
        """Find the landmarks of all films and measure their distance, a fraction of the side."""
        assert isinstance(network, Localiser)
        found = place_films(network, self._val)
        distance = np.linalg.norm(found - self._true, axis=2)
        figures: dict[str, Any] = {
            "nearness": float(-distance.mean()),
            "mean_distance": float(distance.mean()),
        }
        if ended:
            table = by_landmark(distance, self._val.examples, self._names)
            figures["landmarks"] = _rounded_table(table)
        return Judgement(figures)


def _rounded_table(table: Table) -> dict[str, dict[str, list[float | None]]]:
    return {
        name: {figure: _rounded(values) for figure, values in found.items()}
        for name, found in table.items()
    }


def _rounded(figure: tuple[float, float, float]) -> list[float | None]:
    """Round to four digits; what does not exist becomes None."""
    return [round(float(value), 4) if np.isfinite(value) else None for value in figure]
