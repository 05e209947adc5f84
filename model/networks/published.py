"""Weights of the published PIM and wrist checkpoints, under the names that they use.

Their state dict (FGVC-PIM and its wrist fork, timm 0.5.4) maps to ours: ``fpn.Proj_layerN`` to
``pyramid.project``, ``fpn.Up_layerN`` to ``pyramid.up``, ``fpn_classifier_layerN`` to
``classifiers``, ``combiner.*`` to ``combiner.*``; kernel-1 convolutions lose their last axis. In
Swin backbones merging sat at the end of a stage and sits at the start of the next since timm 0.9.
Nothing is skipped silently: `Loaded` names every tensor that found no partner on either side.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from typing_extensions import override

from model.networks.files import read_torch
from model.networks.pim import Pim

_COMBINER = {
    "param_pool0": "gather",
    "adj1": "adjacency",
    "alpha1": "alpha",
    "conv_q1": "query",
    "conv_k1": "key",
    "conv1": "mix",
    "batch_norm1": "norm",
    "param_pool1": "pool",
    "classifier": "classify",
}
_DERIVED = ("relative_position_index", "attn_mask")
"""Tables that a Swin computes from its sizes; they hold no learning."""


@dataclass(frozen=True)
class Loaded:
    """What became of a state dict.

    Attributes
    ----------
    used : int
        Tensors that were copied.
    unknown : tuple of str
        Names in the file that mean nothing to this network (an unused classifier, for example).
    misfits : tuple of str
        Names whose shapes differ, with both shapes.
    missing : tuple of str
        Names of the network that the file does not hold; they keep their initial values.
    """

    used: int
    unknown: tuple[str, ...]
    misfits: tuple[str, ...]
    missing: tuple[str, ...]

    @override
    def __str__(self) -> str:
        """Return the report, one line for each kind."""
        kinds = {"unknown": self.unknown, "misfits": self.misfits, "missing": self.missing}
        lines = [f"{self.used} tensors loaded"]
        lines += [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
        return "\n".join(lines)


def our_name(name: str) -> str:
    """Return our name of a published one; names that mean nothing to us come back unchanged."""
    name = name.removeprefix("module.")
    if match := re.fullmatch(r"fpn\.Proj_layer(\d)\.(\d)\.(\w+)", name):
        return f"pyramid.project.{int(match[1]) - 1}.{match[2]}.{match[3]}"
    if match := re.fullmatch(r"fpn\.Up_layer(\d)\.(\w+)", name):
        return f"pyramid.up.{int(match[1]) - 2}.{match[2]}"
    if match := re.fullmatch(r"fpn_classifier_layer(\d)\.(\d)\.(\w+)", name):
        return f"classifiers.{int(match[1]) - 1}.{match[2]}.{match[3]}"
    if match := re.fullmatch(r"selector\.classifier_l_layer(\d)\.(\w+)", name):
        return f"classifiers.{int(match[1]) - 1}.{match[2]}"
    if match := re.fullmatch(r"combiner\.proj_layer(\d)\.(\d)\.(\w+)", name):
        return f"join.{int(match[1]) - 1}.{match[2]}.{match[3]}"
    if match := re.fullmatch(r"combiner\.(\w+?)(\.\w+)?", name):
        return f"combiner.{_COMBINER.get(match[1], match[1])}{match[2] or ''}"
    if match := re.fullmatch(r"backbone\.layers\.(\d)\.downsample\.(.+)", name):
        return f"backbone.layers.{int(match[1]) + 1}.downsample.{match[2]}"
    return name


def load_published(network: Pim, path: Path) -> Loaded:
    """Copy every tensor that fits from a published checkpoint; say what did not.

    Raises
    ------
    ValueError
        The file holds no state dict, or nothing of it fits: another architecture.
    """
    stored = read_torch(path)
    weights = stored.get("model", stored) if isinstance(stored, Mapping) else None
    if not isinstance(weights, Mapping):
        raise ValueError(f"{path.name}: holds no state dict")  # noqa: TRY004 - a wrong file
    loaded = adopt(network, {str(name): tensor for name, tensor in weights.items()})
    if not loaded.used:
        raise ValueError(f"{path.name}: no tensor fits; these are weights of another architecture")
    return loaded


def adopt(network: Pim, weights: Mapping[str, Tensor]) -> Loaded:
    """Copy the tensors of a published state dict that fit; see `load_published`."""
    ours = network.state_dict()
    matched: dict[str, Tensor] = {}
    unknown, misfits = [], []
    for theirs, tensor in weights.items():
        name = our_name(theirs)
        if theirs.endswith(_DERIVED):
            continue
        if name not in ours:
            unknown.append(theirs)
            continue
        if tensor.dim() == ours[name].dim() + 1 and tensor.shape[-1] == 1:
            tensor = tensor.squeeze(-1)
        elif tensor.dim() == ours[name].dim() + 2:
            tensor = tensor.flatten(1) if tensor.shape[-2:] == (1, 1) else tensor
        if tensor.shape != ours[name].shape:
            misfits.append(f"{theirs} {tuple(tensor.shape)} for {tuple(ours[name].shape)}")
            continue
        matched[name] = tensor
    network.load_state_dict(matched, strict=False)
    missing = [n for n in ours if n not in matched and not n.endswith(_DERIVED)]
    kept = [n for n in missing if not n.startswith("gate.")]  # the gate is ours, fitted later
    return Loaded(len(matched), tuple(unknown), tuple(misfits), tuple(kept))
