"""Layers by name: what shape their output has, and how to hold on to it during a pass."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

import torch
from torch import Tensor, nn

_PICTURE, _TOKENS = 4, 3
_SHOWN = 12


@dataclass(frozen=True)
class SpatialAxes:
    """Where the spatial axes of a layer's output are.

    Attributes
    ----------
    layout : "first", "last" or "tokens"
        [batch, channels, rows, columns]; [batch, rows, columns, channels];
        [batch, prefix + rows * columns, channels].
    prefix : int
        Tokens before the grid (class token, registers) that belong to no place.
    """

    layout: Literal["first", "last", "tokens"]
    rows: int
    columns: int
    prefix: int = 0

    def picture(self, values: Tensor) -> Tensor:
        """Arrange an output as [batch, channels, rows, columns]."""
        if self.layout == "first":
            return values
        if self.layout == "last":
            return values.permute(0, 3, 1, 2)
        tokens = values[:, self.prefix :].transpose(1, 2)
        return tokens.reshape(-1, tokens.shape[1], self.rows, self.columns)


def find_layer(network: nn.Module, name: str) -> str:
    """Return the full name of the module with this name, or of the only one that ends with it.

    Raises
    ------
    ValueError
        No module, or several.
    """
    names: list[str] = [full for full, _ in network.named_modules() if full]
    if name in names:
        return name
    found = [full for full in names if full.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"layer {name!r}: several end so: {', '.join(found[:_SHOWN])}")
    top = ", ".join(full for full in names if full.count(".") == 1)
    raise ValueError(f"no layer {name!r} in this network; it has {top[:400]} and their parts")


def place_of(shape: Sequence[int], name: str) -> SpatialAxes:
    """Read the layout from the output's shape for a square input.

    Raises
    ------
    ValueError
        The output is no picture, or either axis could be the channels'.
    """
    if len(shape) == _TOKENS:
        side = isqrt(shape[1])
        return SpatialAxes("tokens", side, side, shape[1] - side * side)
    if len(shape) != _PICTURE:
        raise ValueError(f"layer {name!r}: its output {tuple(shape)} has no rows and columns")
    if shape[2] == shape[3] != shape[1]:
        return SpatialAxes("first", shape[2], shape[3])
    if shape[1] == shape[2] != shape[3]:
        return SpatialAxes("last", shape[1], shape[2])
    raise ValueError(f"layer {name!r}: cannot tell the channels of {tuple(shape)} from its grid")


def measure_places(
    network: nn.Module,
    names: Sequence[str],
    size: int,
    answer: Callable[[Tensor], tuple[Tensor, Tensor | None]],
) -> list[SpatialAxes]:
    """Run one picture and return the place of every layer.

    Raises
    ------
    ValueError
        A layer is not used exactly once, returns no tensor, or does not reach the logits.
    """
    device = next(network.parameters()).device
    with watch(network, names) as seen:
        logits, _ = answer(torch.zeros(1, 3, size, size, device=device))
        if len(seen) != len(names):
            raise ValueError(
                f"layer {', '.join(names)}: must be used exactly once in a pass; try a part of it"
            )
        reached: list[Any] = [None] * len(names)
        if logits.requires_grad:
            reached = list(torch.autograd.grad(logits.sum(), seen, allow_unused=True))
    for name, gradient in zip(names, reached, strict=True):
        if gradient is None:
            raise ValueError(f"layer {name!r} does not take part in the answer")
    return [place_of(value.shape, name) for value, name in zip(seen, names, strict=True)]


@contextmanager
def watch(network: nn.Module, names: Sequence[str]) -> Iterator[list[Tensor]]:
    """Hold on to the outputs of layers, in the order of `names`, for gradients to them.

    Nothing is recorded before the first of them, so that a gradient costs no more than the part of
    the network behind it. Each layer hands on a copy: what follows may overwrite it.
    """
    order = {name: index for index, name in enumerate(names)}
    kept: dict[int, Tensor] = {}
    seen: list[Tensor] = []
    calls = 0

    def keep(index: int) -> Callable[[nn.Module, Any, Any], Tensor]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Tensor:  # noqa: ANN401
            nonlocal calls
            calls += 1
            if not isinstance(output, Tensor):
                raise ValueError(f"layer {names[index]!r} returns {type(output).__name__}")  # noqa: TRY004
            torch.set_grad_enabled(True)  # until the end of `no_grad` below
            value = output if output.requires_grad else output.detach().requires_grad_(True)
            kept[index] = value
            if len(kept) == calls == len(order):
                seen[:] = [kept[i] for i in range(len(order))]
            elif calls > len(order):
                seen.clear()
            return value.clone()

        return hook

    with torch.no_grad():
        handles = [
            network.get_submodule(name).register_forward_hook(keep(index))
            for name, index in order.items()
        ]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()
