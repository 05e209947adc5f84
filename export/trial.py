"""Which pictures a graph is tried on, and whether it passes: figures for the manifest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.oracle import ORACLE
from export.parity import Answerer, ParityError, differences, gather, insist, measure
from export.pictures import LabelledFilm, drawn, load_film, tied
from export.steps import SILENT, Steps
from export.task import change_of, draw
from model.package import FindingSpec
from model.pixels import PixelProfile
from model.tolerances import Precision
from model.verified import ParityReport, TaskChange

_BATCH = 8

Found = tuple[dict[str, float], ParityReport]
"""Figures and what they were measured on."""


@dataclass(frozen=True)
class Trial:
    """What is tried against what.

    Attributes
    ----------
    reference : Answerer
    oracle : Answerer or None
    against : str
        The reference, in words, without the oracle.
    profile : PixelProfile
    classes : int
    activation : "softmax" or "sigmoid"
    findings : tuple of FindingSpec
    precision : Precision
    steps : Steps
        Hears of each comparison.
    """

    reference: Answerer
    oracle: Answerer | None
    against: str
    profile: PixelProfile
    classes: int
    activation: str
    findings: tuple[FindingSpec, ...]
    precision: Precision
    steps: Steps = SILENT

    def judge(self, graph: Answerer, films: Sequence[LabelledFilm] = ()) -> Found:
        """Compare a graph on drawn pictures and on films.

        Raises
        ------
        ParityError
            A difference is beyond its limit, or a finding's AUROC is lost beyond chance.
        """
        against = self.against if self.oracle is None else f"{self.against}, {ORACLE}"
        pictures, alike = list(drawn(self.profile)), [tied(self.profile)]
        found = self._on_pictures(graph, pictures, "drawn pictures")
        on_tied = self._on_pictures(graph, alike, "adversarial pictures")
        found |= {f"tied_{name}": value for name, value in on_tied.items()}
        tasks: tuple[TaskChange, ...] = ()
        if films:
            on_films, tasks = self._on_films(graph, films)
            found |= on_films
        insist(found, self.precision, against)
        for task in tasks:
            if task.change[2] < 0:
                raise ParityError(
                    f"{task.finding}: AUROC changes by {task.change[0]} "
                    f"(95 % {task.change[1]} to {task.change[2]}) on {task.films} films"
                )
        count = sum(len(images) for images in [*pictures, *alike])
        return found, ParityReport(reference=against, pictures=count, films=len(films), tasks=tasks)

    def _on_pictures(
        self, graph: Answerer, pictures: Sequence[NDArray[np.float32]], kind: str
    ) -> dict[str, float]:
        count = sum(len(images) for images in pictures)
        ours, reference, oracle = self._told(graph, (count, kind), self.classes)
        return measure(ours, (reference, oracle), pictures, (self.classes, self.activation))

    def _told(
        self, graph: Answerer, pictures: tuple[int, str], targets: int
    ) -> tuple[Answerer, Answerer, Answerer | None]:
        """Return graph, reference and oracle, each saying so when it begins to answer."""
        count, kind = pictures
        shown, counted = f"{count} {kind}", self.steps.counted
        ours = counted(graph, f"asking the graph about {shown}", count * targets)
        theirs = counted(self.reference, f"comparing {shown} with {self.against}", count * targets)
        if self.oracle is None:
            return ours, theirs, None
        line = f"comparing the maps of {shown} with {ORACLE}"
        return ours, theirs, counted(self.oracle, line, count * targets)

    def _on_films(
        self, graph: Answerer, films: Sequence[LabelledFilm]
    ) -> tuple[dict[str, float], tuple[TaskChange, ...]]:
        asked = [self.findings[0].class_index]
        graph, reference, oracle = self._told(graph, (len(films), "films"), len(asked))
        ours = gather(graph, batches(films, self.profile), asked)
        theirs = gather(reference, batches(films, self.profile), asked)
        found = differences(ours, theirs, self.activation)
        if oracle is not None:
            outside = gather(oracle, batches(films, self.profile), asked)
            found["cam_oracle"] = differences(ours, outside, self.activation)["cam"]
        weights = draw([film.group for film in films])
        logits = (theirs["logits"], ours["logits"])
        tasks = []
        for finding in self.findings:
            positive = np.array([finding.name in film.labels for film in films])
            if 0 < positive.sum() < len(films):
                tasks.append(change_of(finding, self.activation, logits, positive, weights))
        return {f"film_{name}": value for name, value in found.items()}, tuple(tasks)


def batches(
    films: Sequence[LabelledFilm], profile: PixelProfile, count: int = _BATCH
) -> Iterator[NDArray[np.float32]]:
    """Yield films as network input, `count` at a time."""
    for start in range(0, len(films), count):
        yield np.concatenate([load_film(film, profile) for film in films[start : start + count]])
