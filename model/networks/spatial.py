"""The last layer of any network that still has rows and columns: the default layer of maps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from model.layers import place_of

_ATTENTION = "att"  # attn, attention, Attention: inside, tokens are queries, keys and values


def last_layer(network: nn.Module, size: int) -> str:
    """Return the name of the last layer whose output has places that the features depend on.

    The layer holds parameters, runs once in a pass and returns more than one row and column. In a
    vision transformer that answers from its class token it lies before the last attention: behind
    it, no patch reaches the answer.

    Parameters
    ----------
    network : nn.Module
        [batch, 3, size, size] -> [batch, channels].
    size : int

    Raises
    ------
    ValueError
        There is no such layer.
    """
    generator = torch.Generator().manual_seed(0)  # leaves the random numbers of training alone
    training = network.training
    network.eval()
    with torch.enable_grad(), _outputs(network) as seen:
        features = network(torch.randn(1, 3, size, size, generator=generator))
        weights = torch.randn(features.shape, generator=generator)
        found = {name: outs[0] for name, outs in seen.items() if _has_places(outs, name)}
        gradients: list[Tensor | None] = [None] * len(found)
        if found:
            gradients[:] = torch.autograd.grad(
                features, list(found.values()), weights, allow_unused=True
            )
    network.train(training)
    for name, gradient in reversed(list(zip(found, gradients, strict=True))):
        if gradient is not None and place_of(gradient.shape, name).picture(gradient).any():
            return name
    raise ValueError("no layer with rows and columns reaches the answer")


def _has_places(outputs: list[Tensor], name: str) -> bool:
    if len(outputs) != 1 or outputs[0].shape[0] != 1 or not outputs[0].requires_grad:
        return False
    try:
        return place_of(outputs[0].shape, name).rows > 1
    except ValueError:
        return False


@contextmanager
def _outputs(network: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Collect what each layer with parameters returned, in the order in which they returned."""
    seen: dict[str, list[Tensor]] = {}

    def collect(name: str) -> Any:  # noqa: ANN401 - a hook
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:  # noqa: ANN401
            if not isinstance(output, Tensor):
                return output
            seen.setdefault(name, []).append(output)
            return output.clone()  # what follows may overwrite it

        return hook

    handles = [
        module.register_forward_hook(collect(name))
        for name, module in network.named_modules()
        if name and not _in_attention(name) and next(module.parameters(), None) is not None
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _in_attention(name: str) -> bool:
    return any(_ATTENTION in part for part in name.lower().split("."))
