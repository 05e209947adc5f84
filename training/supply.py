"""The films of a plan, checked before any hour is spent, and their pictures pass by pass."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from training.answers import targets
from training.examples import (
    DataError,
    Example,
    read_folders,
    refuse_empty_classes,
    refuse_unknown_labels,
    refuse_unreadable,
)
from training.geometry import Films
from training.plan import Plan
from training.splits import read_split, refuse_overlap


@dataclass(frozen=True, eq=False)
class Supply:
    """Films to train on and to judge by, and weights [classes] that make up for rare classes."""

    train: Films
    val: Films
    weights: Tensor


def read_examples(plan: Plan) -> list[Example]:
    """Read all films that the plan names, every split, and refuse what would spoil a run.

    Raises
    ------
    DataError
        Overlapping splits, unknown labels, empty classes, unreadable pictures.
    """
    data = plan.data
    declared = data.overlap == "declare"
    if data.folders is not None:
        examples = read_folders(data.folders, plan.classes)
        if not declared:
            refuse_overlap(examples)
    else:
        assert data.manifest is not None
        examples = read_split(data.manifest, data.rename, data.where, declared)
    refuse_unknown_labels(examples, plan.classes, single=plan.task == "single")
    return examples


def prepare(plan: Plan, examples: list[Example]) -> Supply:
    """Check and load the films of both sides.

    Raises
    ------
    DataError
        A side without films, a class without films to learn from, an unreadable picture.
    """
    sides = []
    for split in (plan.data.train, plan.data.val):
        films = [example for example in examples if example.split == split]
        if not films:
            raise DataError(f"there is no film in split {split!r}")
        refuse_unreadable(films)
        sides.append(films)
    refuse_empty_classes(sides[0], plan.classes, f"split {plan.data.train!r}")
    train, val = (
        Films(films, plan.data.geometry, plan.profile(), plan.data.keep) for films in sides
    )
    return Supply(train, val, class_weights(sides[0], plan))


def class_weights(examples: list[Example], plan: Plan) -> Tensor:
    """Return weights [classes] that make rare classes count as much as frequent ones.

    Single: one over the frequency, in mean 1 over films. Multi: films without over films with it.
    """
    count = torch.from_numpy(targets(examples, plan.classes)).sum(dim=0)
    if plan.task == "multi":
        return (len(examples) - count) / count
    return count.sum() / (len(count) * count)


def stream(films: Films, passes: list[list[int]], workers: int) -> Iterator[Tensor]:
    """Yield the pictures of each pass, float32 [batch, side, side]; `workers` read ahead."""
    if not workers:
        for rows in passes:
            yield torch.stack([films[row] for row in rows])
        return
    loader = DataLoader(films, batch_sampler=passes, num_workers=workers, pin_memory=_cuda())
    yield from loader


def _cuda() -> bool:
    return torch.cuda.is_available()
