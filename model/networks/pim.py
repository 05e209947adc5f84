"""PIM: backbone, feature pyramid, selector and combiner as one network.

Source: Chou et al. 2022 (plug-in module); Ahmed et al. 2024, Comput. Biol. Med. 181:109044
(wrist radiographs). A `gate` beside it tells from the means of all nodes whether the image
shows the body part at all; it is fitted after training and takes no part in it.
Each part can be left out, to see what it is worth (`pyramid`, `selection`, `combiner`); head
"pooled" leaves out all three: the backbone with one linear layer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from typing_extensions import override

from model.networks.backbone import NODES, Opening, build_backbone
from model.networks.combiner import Combiner
from model.networks.grey_stem import make_grey
from model.networks.initial import InitialWeights
from model.networks.metadata import FIELDS, MetadataBranch
from model.networks.pyramid import PlainLevels, Pyramid, TokenClassifier, Upsampling
from model.networks.selector import Activation, Selection, keep_all, select

PUBLISHED_SHARES = (8 / 9, 8 / 9, 8 / 9, 2 / 9)  # 2048/2304, 512/576, 128/144, 32/144


class PimConfig(BaseModel):
    """All that is needed to build the network again; it travels in every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str = Field(description="timm name")
    size: int = Field(ge=64, description="side of the square input, pixels")
    opening: Opening = Field(
        default="strides", description="where the nodes are taken; see `build_backbone`"
    )
    width: int = Field(default=1024, ge=8, description="channels of the pyramid")
    upsampling: Upsampling = Field(
        default="tokens", description="of the pyramid: learnt over tokens, or bilinear"
    )
    selects: tuple[int, int, int, int] | None = Field(
        default=None, description="tokens kept of each node; None keeps the published shares"
    )
    head: Literal["combiner", "average", "pooled"] = Field(
        default="combiner",
        description="whose logits answer: the combiner's, the mean of combiner and all nodes, or "
        "one linear layer on the pooled last node (no PIM at all)",
    )
    classes: tuple[str, ...] = Field(min_length=2)
    activation: Activation = "softmax"
    pyramid: bool = Field(default=True, description="False: classify the nodes themselves")
    selection: bool = Field(default=True, description="False: every token goes on")
    combiner: bool = Field(default=True, description="False: the nodes answer alone")
    metadata: bool = Field(default=False, description="age and sex beside the picture")
    grey: bool = Field(default=False, description="the stem reads one channel, see `grey`")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="before the combiner's classifier")

    @model_validator(mode="after")
    def _head_is_there(self) -> Self:
        if self.head == "combiner" and not self.combiner:
            raise ValueError("head: without a combiner only 'average' or 'pooled' can answer")
        if self.metadata and (self.head == "pooled" or not self.combiner):
            raise ValueError("metadata: enters through the combiner, which is switched off")
        return self


@dataclass(frozen=True)
class PimOutput:
    """Everything one pass computes.

    Attributes
    ----------
    logits : Tensor [batch, classes]
        The answer, by the configured head.
    combined : Tensor [batch, classes] or None
        The combiner's logits.
    token_logits : list of Tensor [batch, tokens, classes]
        One for each node, fine to coarse; empty for head "pooled".
    selections : list of Selection
    levels : list of Tensor [batch, tokens, width]
        The pyramid.
    pooled : Tensor [batch, channels of all nodes]
        Mean of every backbone node: what the gate reads.
    """

    logits: Tensor
    combined: Tensor | None
    token_logits: list[Tensor]
    selections: list[Selection]
    levels: list[Tensor]
    pooled: Tensor


class Pim(nn.Module):
    """The plug-in module over a timm backbone.

    Parameters
    ----------
    config : PimConfig
    weights : InitialWeights, optional
        Of the backbone.
    """

    def __init__(self, config: PimConfig, weights: InitialWeights | None = None) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone, config.size, config.opening, weights)
        if config.grey:
            make_grey(self.backbone)
        channels, self.grids = self.backbone.channels, self.backbone.grids
        self.counts = [rows * columns for rows, columns in self.grids]
        self.selects: tuple[int, ...] = tuple(self.counts)
        if config.selection:
            self.selects = config.selects or _published_selects(self.counts)
        _fit(self.selects, self.counts)
        self.pyramid: Pyramid | PlainLevels = PlainLevels(NODES)
        self.classifiers = nn.ModuleList()
        if config.head == "pooled":
            self.classify = nn.Linear(channels[-1], len(config.classes))
        else:
            self._build_parts(channels)
        self.gate = nn.Linear(sum(channels), 1)
        self.gate.requires_grad_(False)

    def _build_parts(self, channels: list[int]) -> None:
        config, classes = self.config, len(self.config.classes)
        if config.pyramid:
            self.pyramid = Pyramid(channels, self.grids, config.width, config.upsampling)
            self.classifiers.extend(TokenClassifier(config.width, classes) for _ in range(NODES))
        else:
            self.classifiers.extend(nn.Linear(c, classes) for c in channels)
        if not config.combiner:
            return
        if not config.pyramid:
            self.join = nn.ModuleList(_projection(c, config.width) for c in channels)
        self.combiner = Combiner(sum(self.selects), config.width, classes, config.dropout)
        if config.metadata:
            self.patient = MetadataBranch(config.width)

    @override
    def forward(self, image: Tensor, metadata: Tensor | None = None) -> PimOutput:
        """Run an image [batch, 3, size, size] (and [batch, 4] of `metadata.encode`) through all."""
        levels, pooled = self.look(image)
        return self.judge(levels, pooled, metadata)

    def features(self, image: Tensor) -> Tensor:
        """Return the means of all nodes [batch, channels of all nodes] of an image."""
        return _means(self.backbone(image))

    def stages(self) -> Iterator[nn.Module]:
        """Yield the parts of the backbone from the input on."""
        yield from self.backbone.stages()

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the backbone."""
        return self.backbone.parameters()

    def look(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the pyramid's levels [batch, tokens, width] and the nodes' means."""
        nodes = self.backbone(image)
        return self.pyramid(nodes), _means(nodes)

    def judge(
        self, levels: list[Tensor], pooled: Tensor, metadata: Tensor | None = None
    ) -> PimOutput:
        """Classify, select and combine what `look` returned; without metadata none is known."""
        if self.config.head == "pooled":
            logits = self.classify(levels[-1].mean(dim=1))
            return PimOutput(logits, None, [], [], levels, pooled)
        token_logits = [
            classify(level) for classify, level in zip(self.classifiers, levels, strict=True)
        ]
        selections = self.choose(levels, token_logits)
        combined = self._combine(selections, metadata) if self.config.combiner else None
        return PimOutput(
            logits=self._answer(combined, token_logits),
            combined=combined,
            token_logits=token_logits,
            selections=selections,
            levels=levels,
            pooled=pooled,
        )

    def choose(self, levels: list[Tensor], token_logits: list[Tensor]) -> list[Selection]:
        """Keep each node's most confident tokens, or all of them where nothing is selected."""
        if not self.config.selection:
            return [keep_all(level) for level in levels]
        return [
            select(level, logits, keep, self.config.activation)
            for level, logits, keep in zip(levels, token_logits, self.selects, strict=True)
        ]

    def gate_logit(self, output: PimOutput) -> Tensor:
        """Logit [batch] that the image shows the body part the network is for."""
        logit: Tensor = self.gate(output.pooled)
        return logit.squeeze(1)

    def _combine(self, selections: list[Selection], metadata: Tensor | None) -> Tensor:
        parts = [kept.features for kept in selections]
        if not self.config.pyramid:
            parts = [project(part) for project, part in zip(self.join, parts, strict=True)]
        tokens = torch.cat(parts, dim=1)
        if self.config.metadata:
            if metadata is None:
                metadata = tokens.new_zeros(tokens.shape[0], FIELDS)
            tokens = tokens + self.patient(metadata).unsqueeze(1)
        combined: Tensor = self.combiner(tokens)
        return combined

    def _answer(self, combined: Tensor | None, token_logits: list[Tensor]) -> Tensor:
        if self.config.head == "combiner":
            assert combined is not None
            return combined
        answers = [logits.mean(dim=1) for logits in token_logits]
        if combined is not None:
            answers.insert(0, combined)
        return torch.stack(answers).mean(dim=0)


def _means(nodes: list[Tensor]) -> Tensor:
    return torch.cat([node.mean(dim=(1, 2)) for node in nodes], dim=1)


def _projection(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, width), nn.ReLU(), nn.Linear(width, width))


def _published_selects(counts: list[int]) -> tuple[int, ...]:
    return tuple(
        max(1, round(count * share)) for count, share in zip(counts, PUBLISHED_SHARES, strict=True)
    )


def _fit(selects: tuple[int, ...], counts: list[int]) -> None:
    if any(keep > count for keep, count in zip(selects, counts, strict=True)):
        raise ValueError(f"selects {selects}: the nodes have only {tuple(counts)} tokens")
