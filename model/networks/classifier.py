"""A plain classifier: a body of timm or torchvision that pools to one vector, and a head.

The published systems beside the wrist's are all of this kind; each family has a file of its own in
`families` that says only what is particular to it. Kind "classifier" takes any body by its name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from typing_extensions import override

from model.networks.catalogue import TORCHVISION
from model.networks.initial import InitialWeights
from model.networks.parts import parts_of
from model.networks.selector import Activation

Kind = Literal["classifier", "seresnet", "resnet", "vgg", "densenet", "regnet", "vit"]

_SEEDS = {
    "seresnet": "legacy_seresnet50",
    "resnet": f"{TORCHVISION}resnet18",
    "vgg": f"{TORCHVISION}vgg16",
    "densenet": f"{TORCHVISION}densenet121",
    "regnet": f"{TORCHVISION}regnet_x_800mf",
    "vit": "vit_base_patch16_224",
}


class ClassifierConfig(BaseModel):
    """All that is needed to build the network again; it travels in every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    backbone: str = Field(
        default="",
        description="name in timm or torchvision; '' is the published system's. Kind classifier "
        "needs one: timm's, or torchvision:NAME",
    )
    size: int = Field(ge=32, description="side of the square input, pixels")
    classes: tuple[str, ...] = Field(min_length=1)
    activation: Activation = "softmax"
    dropout: float = Field(default=0.5, ge=0, lt=1, description="before the last layer")

    @model_validator(mode="after")
    def _names_a_network(self) -> Self:
        if self.kind == "classifier" and not self.backbone:
            raise ValueError("backbone: name a network of timm, or torchvision:NAME")
        return self

    @property
    def body_name(self) -> str:
        """Timm's name of the body, or ``torchvision:NAME``."""
        seed = _SEEDS.get(self.kind, "")
        if not self.backbone:
            return seed
        return TORCHVISION * seed.startswith(TORCHVISION) + self.backbone


@dataclass(frozen=True, eq=False)
class Body:
    """What a family brings.

    Attributes
    ----------
    network : nn.Module
        [batch, 3, size, size] -> [batch, channels].
    channels : int
    cam_layer : str
        Where the published system looks, or where its authors would: the default layer of maps.
    """

    network: nn.Module
    channels: int
    cam_layer: str


class Classifier(nn.Module):
    """Body and head.

    Parameters
    ----------
    config : ClassifierConfig
    body : Body
    head : nn.Module
        [batch, channels] -> logits.
    """

    def __init__(self, config: ClassifierConfig, body: Body, head: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.cam_layer = body.cam_layer
        self.body = body.network
        self.head = head
        for module in self.modules():
            if hasattr(module, "inplace"):
                setattr(module, "inplace", False)  # noqa: B010 - would overwrite the activation that a map is made of

    @override
    def forward(self, image: Tensor) -> Tensor:
        """Return logits [batch, classes] of an image [batch, 3, size, size]."""
        logits: Tensor = self.head(self.features(image))
        return logits

    def features(self, image: Tensor) -> Tensor:
        """Return the pooled features [batch, channels] that the head reads."""
        features: Tensor = self.body(image)
        return features

    def stages(self) -> Iterator[nn.Module]:
        """Yield the parts of the body from the input on."""
        return parts_of(self.body)

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the body."""
        return self.body.parameters()


def linear_head(config: ClassifierConfig, channels: int) -> nn.Module:
    """Return dropout and one linear layer."""
    return nn.Sequential(nn.Dropout(config.dropout), nn.Linear(channels, len(config.classes)))


def with_weights(network: nn.Module, weights: InitialWeights | None, size: int) -> nn.Module:
    """Copy initial weights into a body whose classifier was taken off."""
    if weights is not None:
        weights.copy_to(network, size)
    return network
