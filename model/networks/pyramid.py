"""The feature pyramid: nodes as tokens of one width, coarse ones added to the finer, classified.

Source: Chou, Lin, Kao, "A Novel Plug-in Module for Fine-Grained Visual Classification" (2022),
section 3; the wrist version changes only the width (Ahmed et al. 2024, "FPN adjustment").
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

Upsampling = Literal["tokens", "bilinear"]


class TokenNorm(nn.BatchNorm1d):
    """Batch norm over the last axis of tokens [batch, tokens, channels].

    Written out as a scale and a shift in evaluation, so that its gradient inside an exported
    graph is two products.
    """

    @override
    def forward(self, tokens: Tensor) -> Tensor:
        """Normalise each channel; the shape stays."""
        if self.training:
            return super().forward(tokens.transpose(1, 2)).transpose(1, 2)
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return tokens * scale + (self.bias - self.running_mean * scale)


class Outlet(nn.Module):
    """Hands a level on as a tensor of its own, where Grad-CAM looks.

    A level also flows into the next finer one; the gradient at the outlet is only that of the
    level's own classifier and selection.
    """

    @override
    def forward(self, level: Tensor) -> Tensor:
        """Return the same numbers."""
        return level.view_as(level)


class Pyramid(nn.Module):
    """Project each node to `width` channels, then add each coarse node to the next finer one.

    Parameters
    ----------
    channels : list of int
        Channels of the nodes, fine to coarse.
    grids : list of (rows, columns)
        Their grids.
    width : int
        Channels of every pyramid level.
    upsampling : "tokens" or "bilinear"
        "tokens" is the published learned mixing (a kernel-1 Conv1d whose channels are the token
        axis, which fixes the input size); "bilinear" has no weights.
    """

    def __init__(
        self,
        channels: list[int],
        grids: list[tuple[int, int]],
        width: int,
        upsampling: Upsampling,
    ) -> None:
        super().__init__()
        self.grids = grids
        self.upsampling = upsampling
        self.project = nn.ModuleList(
            nn.Sequential(nn.Linear(c, c), nn.ReLU(), nn.Linear(c, width)) for c in channels
        )
        counts = [rows * columns for rows, columns in grids]
        self.up = nn.ModuleList(
            nn.Linear(coarse, fine) if upsampling == "tokens" and coarse != fine else nn.Identity()
            for fine, coarse in pairwise(counts)
        )
        self.levels = nn.ModuleList(Outlet() for _ in channels)

    @override
    def forward(self, nodes: list[Tensor]) -> list[Tensor]:
        """Nodes [batch, rows, columns, channels] -> levels [batch, tokens, width]."""
        levels = [
            project(node.flatten(1, 2)) for project, node in zip(self.project, nodes, strict=True)
        ]
        for index in range(len(levels) - 1, 0, -1):
            levels[index - 1] = levels[index - 1] + self._lift(levels[index], index)
        return [mark(level) for mark, level in zip(self.levels, levels, strict=True)]

    def _lift(self, tokens: Tensor, index: int) -> Tensor:
        fine, coarse = self.grids[index - 1], self.grids[index]
        if fine == coarse:
            return tokens
        if self.upsampling == "tokens":
            lifted: Tensor = self.up[index - 1](tokens.transpose(1, 2)).transpose(1, 2)
            return lifted
        picture = tokens.transpose(1, 2).reshape(-1, tokens.shape[2], *coarse)
        larger = functional.interpolate(picture, size=fine, mode="bilinear", align_corners=False)
        return larger.flatten(2).transpose(1, 2)


class PlainLevels(nn.Module):
    """The nodes themselves as levels, each with its own channels: the network without a pyramid.

    Parameters
    ----------
    count : int
        How many nodes there are.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(Outlet() for _ in range(count))

    @override
    def forward(self, nodes: list[Tensor]) -> list[Tensor]:
        """Nodes [batch, rows, columns, channels] -> levels [batch, tokens, channels]."""
        return [mark(node.flatten(1, 2)) for mark, node in zip(self.levels, nodes, strict=True)]


class TokenClassifier(nn.Sequential):
    """Class logits of every token of one level: [batch, tokens, width] -> [.., classes]."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__(
            nn.Linear(width, width), TokenNorm(width), nn.ReLU(), nn.Linear(width, classes)
        )
