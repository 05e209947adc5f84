"""A vision transformer that answers from its class token.

Maps are taken before the last block's attention (``blocks.N.norm1``): behind the last block only
the class token reaches the answer, so the gradient of every patch there is zero.
"""

from typing import cast

from torch import nn

from model.networks.catalogue import create_timm
from model.networks.classifier import Body, Classifier, ClassifierConfig, linear_head, with_weights
from model.networks.initial import InitialWeights


def build_vit(config: ClassifierConfig, weights: InitialWeights | None = None) -> Classifier:
    """Build the classifier over a timm ViT of the configured size."""
    network = create_timm(config.body_name, config.size)
    layer = f"blocks.{len(cast(nn.Sequential, network.blocks)) - 1}.norm1"
    network = with_weights(network, weights, config.size)
    body = Body(network, cast(int, network.num_features), layer)
    return Classifier(config, body, linear_head(config, body.channels))
