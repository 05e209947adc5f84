"""Any classification network of timm or torchvision: its pooled features, and one linear layer.

Maps are taken from the last layer that still has rows and columns (`model.networks.spatial`).
"""

import torch

from model.networks.catalogue import create_body, fitting
from model.networks.classifier import Body, Classifier, ClassifierConfig, linear_head
from model.networks.initial import InitialWeights
from model.networks.spatial import last_layer


def build_pooled(config: ClassifierConfig, weights: InitialWeights | None = None) -> Classifier:
    """Build the classifier over the body that `config.backbone` names."""
    name, size = config.backbone, config.size
    network = create_body(name, size)
    if weights is not None:
        weights.copy_to(network, size)
    network.eval()
    with fitting(name, size), torch.no_grad():
        pooled = network(torch.zeros(1, 3, size, size))
    if pooled.dim() != 2:  # noqa: PLR2004 - [batch, channels]
        raise ValueError(f"backbone {name!r}: does not pool its features to one vector")
    with fitting(name, size):
        layer = last_layer(network, size)
    network.train()
    body = Body(network, pooled.shape[1], f"body.{layer}")
    return Classifier(config, body, linear_head(config, body.channels))
