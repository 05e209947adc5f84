"""The networks of timm and torchvision by their names, built without weights.

A timm network goes by its own name, a classification network of torchvision by
``torchvision:NAME``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from torch import nn

from model.networks.torchvision_operators import declare_operators

declare_operators()
import timm as timm  # noqa: E402 - needs the operators declared
from torchvision import models  # noqa: E402

TORCHVISION = "torchvision:"
_LARGEST_WINDOW = 12
_SWIN_STRIDE = 32
_NO_AUXILIARY = {"aux_logits": False, "init_weights": True}


def check_name(name: str) -> None:
    """Make sure that a network of timm or torchvision goes by this name.

    Raises
    ------
    ValueError
        None does; the three nearest names are given.
    """
    foreign = [TORCHVISION + one for one in models.list_models(module=models)]
    if name not in foreign and not timm.is_model(name):
        raise ValueError(_unknown(name, "timm and torchvision know", foreign))


def check_timm_name(name: str) -> None:
    """Make sure that a network of timm goes by this name; see `check_name`."""
    if not timm.is_model(name):
        raise ValueError(_unknown(name, f"timm {timm.__version__} knows"))


def create_body(name: str, size: int) -> nn.Module:
    """Build a network whose classifier is taken off, for square images of `size` pixels.

    Raises
    ------
    ValueError
        No network goes by this name, or it takes no images of this size.
    """
    check_name(name)
    if not name.startswith(TORCHVISION):
        body: nn.Module = create_timm(name, size)
        return body
    network: nn.Module = create_torchvision(name, size)
    layers = [n for n, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    parent, _, own = layers[-1].rpartition(".")
    setattr(network.get_submodule(parent), own, nn.Identity())
    return network


def create_torchvision(name: str, size: int) -> Any:  # noqa: ANN401 - its parts differ
    """Build a torchvision network, classifier and all; see `create_body`."""
    check_name(name)
    own = name.removeprefix(TORCHVISION)
    with fitting(name, size):
        return models.get_model(own, weights=None, **_torchvision_options(own, size))


def create_timm(name: str, size: int) -> Any:  # noqa: ANN401 - its parts differ
    """Build a timm network without classifier; see `create_body`."""
    check_timm_name(name)
    with fitting(name, size):
        network = timm.create_model(name, num_classes=0, **timm_options(name, size))
    patches = getattr(getattr(network, "patch_embed", None), "proj", None)
    if isinstance(patches, nn.Conv2d) and any(size % step for step in patches.stride):
        step = max(patches.stride)
        raise ValueError(f"backbone {name} at {size} pixels: its patches need a multiple of {step}")
    return network


@contextmanager
def fitting(name: str, size: int) -> Iterator[None]:
    """Say of a refusal inside which network refuses, and at which size.

    Raises
    ------
    ValueError
        With the first line of the refusal.
    """
    try:
        yield
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"backbone {name} at {size} pixels: {first}") from error


def timm_options(name: str, size: int) -> dict[str, Any]:
    """Return the options by which timm builds a network for `size` pixels.

    A Swin gets windows that tile its coarsest grid (12 at 384 pixels, 7 at 224).

    Raises
    ------
    ValueError
        No windows can tile the grids of a Swin.
    """
    published = timm.get_pretrained_cfg(name)
    if published is None or not published.fixed_input_size:
        return {}
    if "swin" not in name:
        return {"img_size": size}
    if size % _SWIN_STRIDE:
        raise ValueError(f"its windows need a multiple of {_SWIN_STRIDE}")
    coarsest = size // _SWIN_STRIDE
    fitting = range(min(_LARGEST_WINDOW, coarsest), 0, -1)
    return {"img_size": size, "window_size": next(w for w in fitting if coarsest % w == 0)}


def _torchvision_options(name: str, size: int) -> dict[str, Any]:
    if name.startswith("vit_"):
        return {"image_size": size}
    if name.startswith("maxvit"):
        return {"input_size": (size, size)}
    return _NO_AUXILIARY if name in ("googlenet", "inception_v3") else {}


def _unknown(name: str, who: str, others: Sequence[str] = ()) -> str:
    near = get_close_matches(name, [*timm.list_models(), *others], n=3, cutoff=0.4)
    meant = f"; the nearest names are {', '.join(near)}" if near else ""
    return f"backbone {name!r}: {who} no such network{meant}"
