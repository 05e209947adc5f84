"""RegNetX-800MF of the bone abnormality system: a one-channel stem and a head of three layers.

The published stem took the red slice of the ImageNet weights and padded by 3; here it takes the
sum over the three colours, which answers a grey picture as the colour network did, and the padding
stays 1. The head is the published one, without the sigmoid: it returns logits.
"""

import torch
from torch import Tensor, nn
from typing_extensions import override

from model.networks.catalogue import create_torchvision
from model.networks.classifier import Body, Classifier, ClassifierConfig, with_weights
from model.networks.initial import InitialWeights

_HIDDEN = (1024, 512)
_DROPOUT = 0.3


class FirstChannel(nn.Module):
    """Hands the first of three equal channels to a one-channel network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, image: Tensor) -> Tensor:
        """[batch, 3, rows, columns] -> what the network makes of [batch, 1, rows, columns]."""
        features: Tensor = self.network(image[:, :1])
        return features


def build_regnet(config: ClassifierConfig, weights: InitialWeights | None = None) -> Classifier:
    """Build the classifier; maps are taken from the last stage."""
    network = create_torchvision(config.body_name, config.size)
    channels = network.fc.in_features
    network.fc = nn.Identity()
    with_weights(network, weights, config.size)
    network.stem[0] = grey(network.stem[0])
    body = Body(FirstChannel(network), channels, "trunk_output.block4")
    return Classifier(config, body, mlp_head(channels, len(config.classes)))


def grey(colour: nn.Conv2d) -> nn.Conv2d:
    """Return the convolution of one channel that answers grey as `colour` answers grey x 3."""
    single = nn.Conv2d(
        in_channels=1,
        out_channels=colour.out_channels,
        kernel_size=colour.kernel_size,  # type: ignore[arg-type]  # two numbers
        stride=colour.stride,  # type: ignore[arg-type]
        padding=colour.padding,  # type: ignore[arg-type]
        bias=colour.bias is not None,
    )
    with torch.no_grad():
        single.weight.copy_(colour.weight.sum(dim=1, keepdim=True))
        if single.bias is not None and colour.bias is not None:
            single.bias.copy_(colour.bias)
    return single


def mlp_head(channels: int, classes: int) -> nn.Sequential:
    """Return the three-layer head: 1024, 512, classes."""
    layers: list[nn.Module] = []
    for width in _HIDDEN:
        layers += [
            nn.Linear(channels, width),
            nn.BatchNorm1d(width),
            nn.Dropout(_DROPOUT),
            nn.ReLU(),
        ]
        channels = width
    return nn.Sequential(*layers, nn.Linear(channels, classes))
