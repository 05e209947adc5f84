"""What is true of films, as tensors: classes, patients, values of a column."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.findings import NO_FINDING
from model.networks.metadata import encode
from training.data.examples import DataError, Example, column

UNKNOWN = -1


def targets(examples: list[Example], classes: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the truth [films, classes] of 0 and 1; "no_finding" where a film has no label."""
    truth = np.zeros((len(examples), len(classes)), dtype=np.float32)
    for row, example in enumerate(examples):
        for name in example.labels or (NO_FINDING,):
            if name in classes:
                truth[row, classes.index(name)] = 1
    return truth


def patients(examples: list[Example]) -> Tensor:
    """Return age and sex of films as [films, 4]."""
    return torch.tensor([encode(example.age, example.sex) for example in examples])


def column_values(examples: list[Example], name: str) -> tuple[tuple[str, ...], Tensor]:
    """Return the different values of a column, and the place of each film's among them.

    An empty value is `UNKNOWN`.

    Raises
    ------
    DataError
        There are less than two values.
    """
    found = [column(example, name) for example in examples]
    values = tuple(sorted({value for value in found if value}))
    if len(values) < 2:  # noqa: PLR2004 - a head needs something to tell apart
        raise DataError(f"auxiliary: column {name!r} has {len(values)} values; two are needed")
    places = [values.index(value) if value else UNKNOWN for value in found]
    return values, torch.tensor(places)
