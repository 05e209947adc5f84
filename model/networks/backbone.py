"""Backbones: any hierarchical timm network, opened at four grids of features, the *nodes*.

Every backbone returns four tensors [batch, rows, columns, channels] from fine to coarse.
Transformers with patch merging are opened as the published PIM opened them: after each merging
and after the last stage (grids H/8, H/16, H/32, H/32). Since timm 0.9 merging sits at the *start*
of the following stage, so these are the outputs of ``layers.i.downsample`` (i = 1..3) and
``layers.3``. Convolutional networks are opened at strides 8, 16 and 32 and, where the network ends
in a wide 1x1 convolution (MobileNet, EfficientNet), behind that; else at strides 4, 8, 16, 32.
Plain vision transformers are opened after their last four blocks, the class token left out.
Opening "published" takes an EfficientNet behind its last four groups of blocks instead (strides
16, 16, 32, 32), as the published PIM did; it changes no other network.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Literal, cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from model.networks.catalogue import check_timm_name, create_timm, fitting, timm, timm_options
from model.networks.initial import InitialWeights

NODES = 4
Opening = Literal["strides", "published"]


class Backbone(nn.Module, ABC):
    """What every backbone offers beside ``forward``.

    Attributes
    ----------
    channels : list of int
        Channels of each node.
    grids : list of (rows, columns)
        Grid of each node at the size the backbone was built for.
    """

    channels: list[int]
    grids: list[tuple[int, int]]

    @abstractmethod
    def stages(self) -> Iterator[nn.Module]:
        """Yield the parts from the input on, for freezing from the front."""

    def _measure(self, size: int) -> None:
        training = self.training
        self.eval()
        with torch.no_grad():
            nodes = self(torch.zeros(1, 3, size, size))
        self.train(training)
        self.grids = [(node.shape[1], node.shape[2]) for node in nodes]
        self.channels = [node.shape[3] for node in nodes]


class MergingBackbone(Backbone):
    """A Swin-like network: `patch_embed`, and `layers` with `downsample` and `blocks`."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.patch_embed = cast(nn.Module, network.patch_embed)
        self.layers = cast(nn.Sequential, network.layers)
        self._measure(size)

    @override
    def stages(self) -> Iterator[nn.Module]:
        """Yield the patch embedding, then each stage."""
        yield self.patch_embed
        yield from self.layers

    @override
    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the four nodes of an image [batch, 3, size, size]."""
        features = self.patch_embed(image)
        nodes = []
        for index, layer in enumerate(self.layers):
            if index:
                features = cast(nn.Module, layer.downsample)(features)
                nodes.append(features)
            features = cast(nn.Module, layer.blocks)(features)
        nodes.append(features)
        return nodes


class WideHeadBackbone(Backbone):
    """A MobileNet or EfficientNet: strides 8, 16, 32, and the wide convolution behind them."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(cast(nn.Module, network.conv_stem), cast(nn.Module, network.bn1))
        self.blocks = cast(nn.Sequential, network.blocks)
        self.head = nn.Sequential(cast(nn.Module, network.conv_head), cast(nn.Module, network.bn2))
        self._opened = _last_block_of_each_stride(self.stem, self.blocks)[-3:]
        self._measure(size)

    @override
    def stages(self) -> Iterator[nn.Module]:
        """Yield the stem, each block and the head."""
        yield self.stem
        yield from self.blocks
        yield self.head

    @override
    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the four nodes of an image [batch, 3, size, size]."""
        features = self.stem(image)
        nodes = []
        for index, block in enumerate(self.blocks):
            features = block(features)
            if index in self._opened:
                nodes.append(features.permute(0, 2, 3, 1))
        nodes.append(self.head(features).permute(0, 2, 3, 1))
        return nodes


class FeatureBackbone(Backbone):
    """Any other network with timm's ``features_only``: its last four strides."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network = network
        self._measure(size)

    @override
    def stages(self) -> Iterator[nn.Module]:
        """Yield the children of the feature network in their order."""
        yield from self.network.children()

    @override
    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the four nodes of an image [batch, 3, size, size]."""
        return [feature.permute(0, 2, 3, 1) for feature in self.network(image)[-NODES:]]


class BlockBackbone(Backbone):
    """A network of `conv_stem`, `bn1` and `blocks`, opened behind its last four blocks."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(cast(nn.Module, network.conv_stem), cast(nn.Module, network.bn1))
        self.blocks = cast(nn.Sequential, network.blocks)
        self._measure(size)

    @override
    def stages(self) -> Iterator[nn.Module]:
        """Yield the stem and each block."""
        yield self.stem
        yield from self.blocks

    @override
    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the four nodes of an image [batch, 3, size, size]."""
        features = self.stem(image)
        nodes = []
        for block in self.blocks:
            features = block(features)
            nodes.append(features.permute(0, 2, 3, 1))
        return nodes[-NODES:]


class TokenBackbone(Backbone):
    """A plain vision transformer: the grids behind its last four blocks, all of one size."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network = network
        self._measure(size)

    @override
    def stages(self) -> Iterator[nn.Module]:
        """Yield the patch embedding and each block."""
        yield cast(nn.Module, self.network.patch_embed)
        yield from cast(nn.Sequential, self.network.blocks)

    @override
    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the four nodes of an image [batch, 3, size, size]."""
        look = cast(Callable[..., list[Tensor]], self.network.forward_intermediates)
        grids = look(image, indices=NODES, intermediates_only=True, output_fmt="NCHW")
        return [grid.permute(0, 2, 3, 1) for grid in grids]


def build_backbone(
    name: str, size: int, opening: Opening = "strides", weights: InitialWeights | None = None
) -> Backbone:
    """Build a backbone by its timm name, for square images of `size` pixels.

    Raises
    ------
    ValueError
        timm does not know the name, the network does not fit the size, or the weights not it.
    """
    check_timm_name(name)
    backbone = _open(name, size, opening, weights if weights and weights.by_name else None)
    if weights is not None and not weights.by_name:
        weights.copy_to(backbone, size)
    return backbone


def _open(name: str, size: int, opening: Opening, weights: InitialWeights | None) -> Backbone:
    """Build the network, give it weights under timm's own names of its layers, then open it."""
    network = create_timm(name, size)
    kind = _kind(name, network, opening)
    if kind is FeatureBackbone:
        with fitting(name, size):
            network = timm.create_model(name, features_only=True, **timm_options(name, size))
    if weights is not None:
        weights.copy_to(network, size)
    with fitting(name, size):
        return kind(network, size)


def _kind(name: str, network: nn.Module, opening: Opening) -> Callable[[nn.Module, int], Backbone]:
    if "swin" in name:
        return MergingBackbone
    if name.startswith(("vit_", "deit", "test_vit")):
        return TokenBackbone
    if opening == "published" and hasattr(network, "conv_stem"):
        return BlockBackbone
    if all(hasattr(network, part) for part in ("conv_stem", "blocks", "conv_head")):
        return WideHeadBackbone
    return FeatureBackbone


def freeze_norms(network: nn.Module) -> None:
    """Keep the batch statistics of every 2-D batch norm as they are while the rest trains."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # so are timm's norms with an activation
            module.eval()


def _last_block_of_each_stride(stem: nn.Module, blocks: nn.Sequential) -> list[int]:
    side = 64
    probe = torch.zeros(1, 3, side, side)
    last: dict[int, int] = {}
    training = blocks.training
    stem.eval()
    blocks.eval()
    with torch.no_grad():
        probe = stem(probe)
        for index, block in enumerate(blocks):
            probe = block(probe)
            last[side // probe.shape[-1]] = index
    stem.train(training)
    blocks.train(training)
    return [last[stride] for stride in sorted(last)]
