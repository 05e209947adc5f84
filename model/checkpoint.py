"""Checkpoints: weights together with everything needed to build and judge the network again."""

import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.networks.files import read_torch
from model.networks.pim import Pim
from model.networks.registry import Network, build_network
from model.pixels import PixelProfile


@dataclass(frozen=True)
class Checkpoint:
    """What training leaves behind.

    Attributes
    ----------
    network : dict
        Fields of the network's configuration, with its ``kind`` (`model.networks.registry`);
        without one, of `PimConfig`. Holds the classes.
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

    def build(self) -> Network:
        """Return the network with its weights, in evaluation mode.

        Raises
        ------
        ValueError
            The configuration is none of a known network, or the weights are another network's
            (of another number of classes, say).
        """
        network = build_network(self.network)
        try:
            network.load_state_dict(self.weights)
        except RuntimeError as error:
            first = next(iter(str(error).splitlines()[1:]), str(error)).strip()
            raise ValueError(f"the weights do not fit the network they name: {first}") from error
        return network.eval()

    def build_pim(self) -> Pim:
        """Return the network, which must be a PIM.

        Raises
        ------
        ValueError
            It is another one.
        """
        network = self.build()
        if not isinstance(network, Pim):
            raise ValueError(f"holds a {self.network['kind']}; this works with a PIM only")  # noqa: TRY004
        return network

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
