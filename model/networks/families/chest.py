"""ResNet18, VGG16 and DenseNet121 of the chest system, each with its last layer exchanged.

Maps are taken where the published code took them: ``layer4[-1]`` of the ResNet, ``features[-1]`` of
the two others.
"""

from collections import OrderedDict

from torch import nn

from model.networks.catalogue import create_torchvision
from model.networks.classifier import Body, Classifier, ClassifierConfig, linear_head, with_weights
from model.networks.initial import InitialWeights


def build_resnet(config: ClassifierConfig, weights: InitialWeights | None = None) -> Classifier:
    """Build ResNet18, or another ResNet of torchvision."""
    network = create_torchvision(config.body_name, config.size)
    channels = network.fc.in_features
    network.fc = nn.Identity()
    layer = f"layer4.{len(network.layer4) - 1}"
    return _classifier(config, Body(with_weights(network, weights, config.size), channels, layer))


def build_vgg(config: ClassifierConfig, weights: InitialWeights | None = None) -> Classifier:
    """Build VGG16, or another VGG of torchvision; its two wide layers stay."""
    network = create_torchvision(config.body_name, config.size)
    channels = network.classifier[-1].in_features
    network.classifier[-1] = nn.Identity()
    layer = f"features.{len(network.features) - 1}"
    return _classifier(config, Body(with_weights(network, weights, config.size), channels, layer))


def build_densenet(config: ClassifierConfig, weights: InitialWeights | None = None) -> Classifier:
    """Build DenseNet121, or another DenseNet of torchvision.

    Its parts are put together anew: torchvision's own overwrites the features that maps are of.
    """
    whole = create_torchvision(config.body_name, config.size)
    parts = {
        "features": whole.features,
        "active": nn.ReLU(),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
    }
    network = with_weights(nn.Sequential(OrderedDict(parts)), weights, config.size)
    return _classifier(config, Body(network, whole.classifier.in_features, "features.norm5"))


def _classifier(config: ClassifierConfig, body: Body) -> Classifier:
    return Classifier(config, body, linear_head(config, body.channels))
