"""SE-ResNet of the DeepWrist fracture classifier.

Source: Raisuddin et al. 2021, Scientific Reports, doi 10.1038/s41598-021-85570-2.

The published code took it from ``pretrainedmodels``; timm carries the same network, and its
weights, under the name ``legacy_seresnet50`` (101 and 152 likewise). Dropout 0.5, one linear layer.
"""

from typing import cast

from model.networks.catalogue import create_timm
from model.networks.classifier import Body, Classifier, ClassifierConfig, linear_head, with_weights
from model.networks.initial import InitialWeights


def build_seresnet(config: ClassifierConfig, weights: InitialWeights | None = None) -> Classifier:
    """Build the classifier; maps are taken from the last stage."""
    network = create_timm(config.body_name, config.size)
    network = with_weights(network, weights, config.size)
    body = Body(network, cast(int, network.num_features), "layer4")
    return Classifier(config, body, linear_head(config, body.channels))
