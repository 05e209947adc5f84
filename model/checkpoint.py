"""Checkpoints: weights together with everything needed to build and judge the network again."""

import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.networks.files import read_torch
from model.networks.pim import Pim, PimConfig
from model.pixels import PixelProfile


@dataclass(frozen=True)
class Checkpoint:
    """What training leaves behind.

    Attributes
    ----------
    network : dict
        Fields of `PimConfig`; holds the classes.
    pixels : dict
        Fields of `PixelProfile`.
    weights : dict of str to Tensor
    recipe : dict
        The whole training configuration, paths left out.
    provenance : dict of str to str
        Commit, data hash, seed, versions, duration.
    decision : dict of str to float
        Temperature, operating points, gate threshold.
    metrics : dict
        Figures on the validation groups.
    """

    network: dict[str, Any]
    pixels: dict[str, Any]
    weights: dict[str, Tensor]
    recipe: dict[str, Any]
    provenance: dict[str, str]
    decision: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def build(self) -> Pim:
        """Return the network with its weights, in evaluation mode.

        Raises
        ------
        ValueError
            The weights are those of another architecture.
        """
        network = Pim(PimConfig.model_validate(self.network))
        try:
            network.load_state_dict(self.weights)
        except RuntimeError as error:
            raise ValueError(f"weights of another architecture: {error}") from error
        return network.eval()

    def profile(self) -> PixelProfile:
        """Return the pixel profile the network was trained with."""
        return PixelProfile.model_validate(self.pixels)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write beside, flush to disk, rename: a reader sees the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            torch.save(asdict(checkpoint), stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; no code in the file is run.

    Raises
    ------
    ValueError
        The file is damaged or holds something else.
    """
    stored = read_torch(path)
    try:
        return Checkpoint(**stored)
    except TypeError as error:
        raise ValueError(f"{path}: not a checkpoint of this program ({error})") from error
