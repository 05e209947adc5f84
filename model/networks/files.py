"""Files written by torch, read without running code that may be in them."""

import pickle
from pathlib import Path
from typing import Any

import torch


def read_torch(path: Path) -> Any:  # noqa: ANN401 - whatever was stored
    """Return what a file holds, tensors on the CPU.

    Raises
    ------
    OSError
        There is no such file.
    ValueError
        It is cut off, or torch did not write it, or it holds code.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path.name}: no whole file of tensors by torch") from error
