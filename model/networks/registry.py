"""Every network by its kind, so that a checkpoint can hold any of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model.networks.chest import build_densenet, build_resnet, build_vgg
from model.networks.classifier import Classifier, ClassifierConfig
from model.networks.hourglass import HourglassConfig, Localiser
from model.networks.pim import Pim, PimConfig
from model.networks.regnet import build_regnet
from model.networks.seresnet import build_seresnet
from model.networks.vit import build_vit

Network = Pim | Classifier | Localiser

CLASSIFIERS: dict[str, Callable[[ClassifierConfig, Path | None], Classifier]] = {
    "seresnet": build_seresnet,
    "resnet": build_resnet,
    "vgg": build_vgg,
    "densenet": build_densenet,
    "regnet": build_regnet,
    "vit": build_vit,
}
KINDS = ("pim", *CLASSIFIERS, "hourglass")


def build_network(fields: Mapping[str, Any], weights: Path | None = None) -> Network:
    """Build a network from its configuration.

    Parameters
    ----------
    fields : mapping
        ``kind`` and the fields of the configuration of that kind; without ``kind`` a PIM.
    weights : Path, optional
        Initial weights of a classifier's body, see `model.networks.pretrained`.

    Raises
    ------
    ValueError
        There is no such kind, or a field does not fit it.
    """
    kind = fields.get("kind", "pim")
    if kind == "pim":
        return Pim(PimConfig.model_validate({k: v for k, v in fields.items() if k != "kind"}))
    if kind == "hourglass":
        return Localiser(HourglassConfig.model_validate(fields))
    if kind not in CLASSIFIERS:
        raise ValueError(f"network kind {kind!r}: there are {', '.join(KINDS)}")
    return CLASSIFIERS[kind](ClassifierConfig.model_validate(fields), weights)
