"""The recipe: every knob of a training run, read from YAML and ``key=value`` words, checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.findings import NO_FINDING
from model.networks.pim import PimConfig
from model.networks.pyramid import Upsampling


class RecipeError(Exception):
    """The recipe is wrong; the message names the key."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSection(_Section):
    """Which films, and how they are drawn."""

    root: Path | None = Field(default=None, description="folder with fracatlas/ (, chest_kermany/)")
    folds: int = Field(default=4, ge=2, description="folds of the training groups, see `fold`")
    fold: int | None = Field(
        default=None, ge=0, description="judge on this fold of train instead of val, to choose by"
    )
    other_regions: bool = Field(default=True, description="train on other limbs as well")
    hand_share: float = Field(default=0.65, gt=0, le=1, description="of the films drawn")
    gate_films: int = Field(default=400, ge=1, description="other limbs, and chests, for the gate")
    fractured_share: float = Field(default=0.35, gt=0, lt=1, description="of the films drawn")


class NetworkSection(_Section):
    """Fields of `PimConfig` but for the classes."""

    backbone: str = "mobilenetv2_100"
    size: int = Field(default=384, ge=64)
    width: int = Field(default=1024, ge=8)
    upsampling: Upsampling = "tokens"
    selects: tuple[int, int, int, int] | None = None
    head: Literal["combiner", "average"] = "combiner"
    frozen_stages: int = Field(default=0, ge=0, description="backbone parts from the input on")


class PixelSection(_Section):
    """Fields of the pixel profile but for the size."""

    low_percentile: float = 0.5
    high_percentile: float = 99.5
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class LossSection(_Section):
    """Weights of the loss terms (seed names: lambda_b, _s, _n, _c)."""

    nodes: float = Field(default=0.5, ge=0, description="mean token logits of each node")
    selected: float = Field(default=0.0, ge=0, description="selected tokens")
    dropped: float = Field(default=5.0, ge=0, description="dropped tokens say nothing")
    combined: float = Field(default=1.0, ge=0, description="the combiner")
    boxes: float = Field(default=0.0, ge=0, description="hints from fracture boxes")
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)


class OptimiserSection(_Section):
    """Lion (Chen et al. 2023) with linear warm-up and cosine decay."""

    steps: int = Field(default=1000, ge=1)
    batch: int = Field(default=16, ge=2)
    lr_backbone: float = Field(default=3e-5, gt=0)
    lr_head: float = Field(default=1e-4, gt=0)
    warmup_steps: int = Field(default=50, ge=0)
    weight_decay: float = Field(default=0.1, ge=0)
    ema_decay: float = Field(default=0.995, ge=0, lt=1, description="of the averaged weights")
    bfloat16: bool = Field(default=False, description="forward pass in bfloat16")


class AugmentSection(_Section):
    """Ranges of the random changes; 0 switches one off."""

    rotation_deg: float = Field(default=20.0, ge=0)
    zoom: float = Field(default=0.25, ge=0, description="natural logarithm, either way")
    shift: float = Field(default=0.08, ge=0, description="of the side, either way")
    flip: float = Field(default=0.5, ge=0, le=1, description="probability, left to right")
    upside_down: float = Field(default=0.1, ge=0, le=1, description="probability")
    gamma: float = Field(default=0.35, ge=0, description="natural logarithm, either way")
    contrast: float = Field(default=0.2, ge=0)
    blur: float = Field(default=0.25, ge=0, le=1, description="probability of coarser pixels")
    noise: float = Field(default=0.03, ge=0, description="largest deviation")


class PackageSection(_Section):
    """What the exported package says of itself beside figures; see `model.package.Manifest`."""

    accepts: str = "hand, wrist or forearm"
    body_parts: tuple[str, ...] = ("WRIST", "HAND", "FOREARM")
    min_age_years: float | None = None
    max_age_years: float | None = None
    cam_layer: str = "level2"
    calibration: str = "temperature fitted on the validation groups"
    attribution: tuple[str, ...] = ()


class Recipe(_Section):
    """One training run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    version: str
    out: Path
    backbone_weights: Path | None = Field(default=None, description="state dict; None: random")
    seed: int = 0
    threads: int = Field(default=0, ge=0, description="0: torch decides")
    data: DataSection = DataSection()
    network: NetworkSection = NetworkSection()
    pixels: PixelSection = PixelSection()
    losses: LossSection = LossSection()
    optimiser: OptimiserSection = OptimiserSection()
    augment: AugmentSection = AugmentSection()
    package: PackageSection = PackageSection()

    def pim(self) -> PimConfig:
        """Return the network's own configuration: two classes, fracture or none."""
        fields = self.network.model_dump(exclude={"frozen_stages"})
        return PimConfig(**fields, classes=(NO_FINDING, "fracture"))

    def public(self) -> dict[str, Any]:
        """Return the recipe without paths of this machine, as plain values."""
        return self.model_dump(
            mode="json", exclude={"out": True, "backbone_weights": True, "data": {"root"}}
        )

    @classmethod
    def read(cls, path: Path, words: Sequence[str]) -> Self:
        """Read a YAML recipe; each word ``section.key=value`` replaces one value.

        Raises
        ------
        RecipeError
            Unknown key, wrong type or value, or a word without "=".
        """
        return cls.check(read_tree(path, words), str(path))

    @classmethod
    def check(cls, tree: dict[str, Any], where: str) -> Self:
        """Turn a tree of values into a recipe; `where` names it in messages."""
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise RecipeError(f"{where}: " + "; ".join(lines)) from error


def read_tree(path: Path, words: Sequence[str]) -> dict[str, Any]:
    """Read a YAML file and replace values by ``section.key=value`` words; nothing is checked."""
    try:
        tree: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: {error}") from error
    for word in words:
        _replace(tree, word)
    return tree


def _replace(tree: dict[str, Any], word: str) -> None:
    key, equals, value = word.partition("=")
    if not equals:
        raise RecipeError(f"{word!r}: write key=value, for example optimiser.steps=100")
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise RecipeError(f"{key}: {section} is a value, not a section")
    tree[last] = yaml.safe_load(value)
