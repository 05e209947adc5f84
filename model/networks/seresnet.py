"""SE-ResNet of the DeepWrist fracture classifier.

Source: Raisuddin et al. 2021, Scientific Reports, doi 10.1038/s41598-021-85570-2.

The published code took it from ``pretrainedmodels``; timm carries the same network, and its
weights, under the name ``legacy_seresnet50`` (101 and 152 likewise). Dropout 0.5, one linear layer.
"""

from pathlib import Path
from typing import cast

from model.networks.classifier import Body, Classifier, ClassifierConfig, linear_head, with_weights
from model.networks.torchvision_operators import declare_operators

declare_operators()
import timm  # noqa: E402 - needs the operators declared


def build_seresnet(config: ClassifierConfig, weights: Path | None = None) -> Classifier:
    """Build the classifier; maps are taken from the last stage."""
    network = timm.create_model(config.backbone or "legacy_seresnet50", num_classes=0)
    body = Body(with_weights(network, weights), cast(int, network.num_features), "layer4")
    return Classifier(config, body, linear_head(config, body.channels))
