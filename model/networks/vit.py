"""A vision transformer that answers from its class token.

Maps are taken before the last block's attention (``blocks.N.norm1``): behind the last block only
the class token reaches the answer, so the gradient of every patch there is zero.
"""

from pathlib import Path
from typing import cast

from torch import nn

from model.networks.classifier import Body, Classifier, ClassifierConfig, linear_head, with_weights
from model.networks.torchvision_operators import declare_operators

declare_operators()
import timm  # noqa: E402 - needs the operators declared


def build_vit(config: ClassifierConfig, weights: Path | None = None) -> Classifier:
    """Build the classifier over a timm ViT of the configured size."""
    name = config.backbone or "vit_base_patch16_224"
    network = timm.create_model(name, num_classes=0, img_size=config.size)
    layer = f"blocks.{len(cast(nn.Sequential, network.blocks)) - 1}.norm1"
    body = Body(with_weights(network, weights), cast(int, network.num_features), layer)
    return Classifier(config, body, linear_head(config, body.channels))
