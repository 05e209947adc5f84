"""Which pictures a graph is tried on, and whether it passes: figures for the manifest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.parity import Answerer, ParityError, differences, gather, insist, measure
from export.pictures import LabelledFilm, drawn, load_film, tied
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
        The reference, in words.
    profile : PixelProfile
    classes : int
    activation : "softmax" or "sigmoid"
    findings : tuple of FindingSpec
    precision : Precision
    """

    reference: Answerer
    oracle: Answerer | None
    against: str
    profile: PixelProfile
    classes: int
    activation: str
    findings: tuple[FindingSpec, ...]
    precision: Precision

    def judge(self, graph: Answerer, films: Sequence[LabelledFilm] = ()) -> Found:
        """Compare a graph on drawn pictures and on films.

        Raises
        ------
        ParityError
            A difference is beyond its limit, or a finding's AUROC is lost beyond chance.
        """
        pictures, alike = list(drawn(self.profile)), tied(self.profile)
        about = (self.classes, self.activation)
        against = (self.reference, self.oracle)
        found = measure(graph, against, pictures, about)
        on_tied = measure(graph, against, [alike], about)
        found |= {f"tied_{name}": value for name, value in on_tied.items()}
        tasks: tuple[TaskChange, ...] = ()
        if films:
            on_films, tasks = self._on_films(graph, films)
            found |= on_films
        insist(found, self.precision)
        for task in tasks:
            if task.change[2] < 0:
                raise ParityError(
                    f"{task.finding}: AUROC changes by {task.change[0]} "
                    f"(95 % {task.change[1]} to {task.change[2]}) on {task.films} films"
                )
        count = sum(len(images) for images in [*pictures, alike])
        return found, ParityReport(
            reference=self.against, pictures=count, films=len(films), tasks=tasks
        )

    def _on_films(
        self, graph: Answerer, films: Sequence[LabelledFilm]
    ) -> tuple[dict[str, float], tuple[TaskChange, ...]]:
        asked = [self.findings[0].class_index]
        ours = gather(graph, batches(films, self.profile), asked)
        theirs = gather(self.reference, batches(films, self.profile), asked)
        found = differences(ours, theirs, self.activation)
        if self.oracle is not None:
            outside = gather(self.oracle, batches(films, self.profile), asked)
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
