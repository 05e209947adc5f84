"""Every network by its kind, so that training can build and a checkpoint can hold any of them.

Every network is `Trainable`; a PIM and a classifier are `Classifying` too.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn
from typing_extensions import override

from model.networks.classifier import Classifier, ClassifierConfig
from model.networks.families.chest import build_densenet, build_resnet, build_vgg
from model.networks.families.pooled import build_pooled
from model.networks.families.regnet import build_regnet
from model.networks.families.seresnet import build_seresnet
from model.networks.families.vit import build_vit
from model.networks.hourglass import HourglassConfig, Localiser
from model.networks.initial import InitialWeights, find_weights
from model.networks.pim import Pim, PimConfig

Network = Pim | Classifier | Localiser
Configuration = PimConfig | ClassifierConfig | HourglassConfig

CLASSIFIERS: dict[str, Callable[[ClassifierConfig, InitialWeights | None], Classifier]] = {
    "classifier": build_pooled,
    "seresnet": build_seresnet,
    "resnet": build_resnet,
    "vgg": build_vgg,
    "densenet": build_densenet,
    "regnet": build_regnet,
    "vit": build_vit,
}
KINDS = ("pim", *CLASSIFIERS, "hourglass")


class Trainable(Protocol):
    """What training may ask of every network.

    Its `config` has `size`, the side of the square input in pixels.
    """

    @property
    def config(self) -> Configuration:
        """All that is needed to build the network again."""

    def stages(self) -> Iterator[nn.Module]:
        """Yield parts from the input on, for freezing the first of them."""

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters that initial weights are for; all others are the head's.

        A localiser has none.
        """


class Classifying(Trainable, Protocol):
    """What training may ask of a network that answers with logits.

    Its `config` has `classes` and `activation` too.
    """

    @property
    @override
    def config(self) -> PimConfig | ClassifierConfig:
        """All that is needed to build the network again."""

    def features(self, image: Tensor) -> Tensor:
        """Return pooled features [batch, channels] of images [batch, 3, size, size].

        Of a classifier those that its head reads; of a PIM the means of all nodes.
        """


def configure(fields: Mapping[str, Any]) -> Configuration:
    """Validate the configuration of a network without building it.

    Parameters
    ----------
    fields : mapping
        ``kind`` and the fields of the configuration of that kind; without ``kind`` a PIM.

    Raises
    ------
    ValueError
        There is no such kind, or a field does not fit it (pydantic's ValidationError).
    """
    kind = fields.get("kind", "pim")
    if kind not in KINDS:
        raise ValueError(f"network kind {kind!r}: there are {', '.join(KINDS)}")
    if kind == "pim":
        return PimConfig.model_validate({k: v for k, v in fields.items() if k != "kind"})
    if kind == "hourglass":
        return HourglassConfig.model_validate(fields)
    return ClassifierConfig.model_validate(fields)


def build_network(fields: Mapping[str, Any], weights: str | Path | None = None) -> Network:
    """Build a network from its configuration.

    Parameters
    ----------
    fields : mapping
        See `configure`.
    weights : str or Path, optional
        Initial weights of the backbone, by name or path: see `model.networks.initial`.

    Raises
    ------
    ValueError
        There is no such kind, a field does not fit it, or the weights are not there or another
        network's. A localiser takes none.
    """
    config = configure(fields)
    if isinstance(config, HourglassConfig):
        if weights is not None:
            raise ValueError(f"weights {str(weights)!r}: a localiser has no backbone to take them")
        return Localiser(config)
    initial = None if weights is None else find_weights(weights, backbone_name(config))
    if isinstance(config, PimConfig):
        return Pim(config, initial)
    return CLASSIFIERS[config.kind](config, initial)


def backbone_name(config: PimConfig | ClassifierConfig) -> str:
    """Return timm's name of a network's backbone, or ``torchvision:NAME``."""
    return config.backbone if isinstance(config, PimConfig) else config.body_name
