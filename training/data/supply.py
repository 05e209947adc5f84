"""The films of a recipe, checked before any hour is spent, and their pictures pass by pass."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from training.data.draw import strata
from training.data.examples import (
    DataError,
    Example,
    meets,
    read_folders,
    read_manifest,
    refuse_contradictions,
    refuse_empty_classes,
    refuse_unknown_labels,
)
from training.data.films import Films
from training.data.located import Located, locate
from training.data.lock import refuse_others
from training.data.radiographs import refuse_unreadable
from training.data.splits import folds_by_patient, read_split, refuse_overlap
from training.data.truth import column_values, targets
from training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Supply:
    """Films to train on and to judge by.

    Attributes
    ----------
    train, val : Films
    held : list of Example
        All films of the split to judge by, those that are not judged included.
    weights : Tensor [classes]
        Make up for rare classes.
    places : Located or None
        Of the films to train on, where places are learnt.
    auxiliary : dict of str to Tensor [films], int64
        Class of each film to train on in the recipe's further heads; -1 where it is not known.
    """

    train: Films
    val: Films
    held: list[Example]
    weights: Tensor
    places: Located | None
    auxiliary: dict[str, Tensor]


def read_examples(recipe: Recipe) -> list[Example]:
    """Read all films that the recipe names, every split, and refuse what would spoil a run.

    Raises
    ------
    DataError
        Overlapping splits, other films than were frozen, unknown or contradictory labels.
    """
    data = recipe.data
    declared = data.overlap == "declare"
    if data.folders is not None:
        examples = read_folders(data.folders, recipe.classes)
        if not declared:
            refuse_overlap(examples)
        if data.lock is not None:
            refuse_others(data.lock, examples, data.folders)
    else:
        assert data.manifest is not None
        examples = read_split(data.manifest, data.rename, data.where, declared)
        if data.lock is not None:  # it is of the whole data set, under the labels of the manifest
            refuse_others(data.lock, read_manifest(data.manifest), data.manifest.parent)
    refuse_contradictions(examples)
    if recipe.task != "landmarks":
        refuse_unknown_labels(examples, recipe.classes, single=recipe.is_exclusive)
    return examples


def sides_of(recipe: Recipe, examples: list[Example]) -> tuple[list[Example], list[Example]]:
    """Return the films of either side; of the second those that meet `data.judged` are judged.

    With `data.fold` both are parts of the training groups, and validation is not touched at all.

    Raises
    ------
    DataError
        A side without films, or a class without films to learn from.
    """
    data = recipe.data
    train = [example for example in examples if example.split == data.train]
    val = [example for example in examples if example.split == data.val]
    if data.fold is not None:
        folds = folds_by_patient(train, data.folds, recipe.seed)
        if data.fold >= data.folds:
            raise DataError(f"data.fold={data.fold}: there are {data.folds}, counted from 0")
        train, val = folds[data.fold]
    for name, films in (("data.train", train), ("data.val", val)):
        if not films:
            raise DataError(f"{name}: there is no film in split {getattr(data, name[5:])!r}")
    if recipe.task != "landmarks":
        refuse_empty_classes(train, recipe.classes, f"split {data.train!r}")
    return train, val


def prepare(recipe: Recipe, examples: list[Example]) -> Supply:
    """Check and load the films of both sides; see `sides_of` for what is refused.

    Raises
    ------
    DataError
        Also where a picture cannot be read.
    """
    profile, data = recipe.profile(), recipe.data
    learned, held = sides_of(recipe, examples)
    judged = [example for example in held if meets(example, data.judged)]
    if not judged:
        raise DataError(f"data.judged: no film of split {data.val!r} meets {data.judged}")
    for films in (learned, judged):
        refuse_unreadable(films)
    strata(learned, data.shares)
    train, val = (Films(films, data.geometry, profile, data.keep) for films in (learned, judged))
    places = locate(train, recipe.landmarks()) if recipe.follows_places else None
    further = {name: column_values(learned, name)[1] for name in recipe.auxiliary}
    return Supply(train, val, held, class_weights(learned, recipe), places, further)


def class_weights(examples: list[Example], recipe: Recipe) -> Tensor:
    """Return weights [classes] that make rare classes count as much as frequent ones.

    Exclusive: one over the frequency, in mean 1 over films. Else: films without over films with it.
    """
    count = torch.from_numpy(targets(examples, recipe.classes)).sum(dim=0)
    if not recipe.is_exclusive:
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
