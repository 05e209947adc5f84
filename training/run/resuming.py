"""The state of a run on disk: enough to go on to the same weights after the process was killed."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.networks.files import read_torch


class SaveError(Exception):
    """A file could not be written whole; what was there before still is."""


class ResumeError(Exception):
    """The state on disk is not of this run."""


@dataclass(frozen=True)
class State:
    """Everything that changes from step to step.

    Attributes
    ----------
    passes : int
        Passes done; always between two steps.
    best : float
        Best validation figure so far; -inf before the first.
    identity : str
        Names recipe and data; a state of another run is refused.
    """

    passes: int
    best: float
    identity: str
    network: dict[str, Any]
    optimiser: dict[str, Any]
    averaged: dict[str, Any] | None
    scaler: dict[str, Any]
    history: dict[str, list[list[float]]]


def save_state(state: State, path: Path) -> None:
    """Write a state beside its place and rename it there.

    Raises
    ------
    SaveError
        The disk is full, or the folder cannot be written.
    """
    write_whole(dict(vars(state)), path)


def load_state(path: Path, identity: str) -> State:
    """Read the state of a run.

    Raises
    ------
    ResumeError
        There is none, it is damaged, or it belongs to another recipe or other data.
    """
    try:
        stored = read_torch(path)
        state = State(**stored)
    except (OSError, ValueError, TypeError) as error:
        raise ResumeError(f"{path}: no state to resume from ({error})") from error
    if state.identity != identity:
        raise ResumeError(f"{path}: of another recipe or other data; start with resume=false")
    return state


def write_whole(document: dict[str, Any], path: Path) -> None:
    """Store a document so that a reader sees the old file or the new one.

    Raises
    ------
    SaveError
        It could not be written; the old file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            torch.save(document, stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(beside).replace(path)
    except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError on a full disk
        raise SaveError(f"{path}: not saved, the file before it is kept: {error}") from error
    finally:
        Path(beside).unlink(missing_ok=True)
