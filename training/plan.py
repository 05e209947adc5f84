"""The plan: every knob of a run over a split manifest or the published folders, checked.

The recipe of the shipped model is `training.config.Recipe`; a recipe with ``trainer: split`` is a
plan. ``key=value`` words replace single values in both.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.findings import FINDINGS, NO_FINDING
from model.networks.pim import PimConfig
from model.pixels import PixelProfile
from training.config import AugmentSection, LossSection, PackageSection, RecipeError, read_tree
from training.geometry import Geometry


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitSection(_Section):
    """Where the films are, and how they are drawn."""

    manifest: Path | None = Field(default=None, description="CSV, see training.examples")
    folders: Path | None = Field(default=None, description="published layout, instead of manifest")
    rename: dict[str, str] = Field(default={}, description="labels of the manifest to findings")
    where: dict[str, str] = Field(default={}, description="columns and the value rows must have")
    train: str = Field(default="train", description="split to train on")
    val: str = Field(default="val", description="split to choose and calibrate by")
    overlap: Literal["refuse", "declare"] = Field(
        default="refuse", description="declare: train on leaking splits and say so everywhere"
    )
    geometry: Geometry = "letterbox"
    sampler: Literal["shuffle", "balanced"] = Field(
        default="shuffle", description="balanced: every class as often as any other"
    )
    weighted: bool = Field(default=False, description="weigh the loss of rare classes up")
    keep: bool = Field(
        default=True, description="decode once, keep the pictures in memory: 0.6 MB each at 384"
    )
    workers: int = Field(default=0, ge=0, description="processes that read ahead; 0 when kept")


class NetworkPart(_Section):
    """Fields of `PimConfig` but for classes and activation, and where weights come from."""

    backbone: str
    size: int = Field(default=384, ge=64)
    opening: Literal["strides", "published"] = "strides"
    width: int = Field(default=1536, ge=8)
    upsampling: Literal["tokens", "bilinear"] = "tokens"
    selects: tuple[int, int, int, int] | None = None
    head: Literal["combiner", "average", "pooled"] = "combiner"
    pyramid: bool = True
    selection: bool = True
    combiner: bool = True
    metadata: bool = False
    grey: bool = False
    dropout: float = Field(default=0.1, ge=0, lt=1)
    frozen_stages: int = Field(default=0, ge=0, description="backbone parts from the input on")
    frozen_norms: bool = Field(default=False, description="keep the backbone's batch statistics")
    backbone_weights: Path | None = Field(default=None, description="state dict of the backbone")
    published_weights: Path | None = Field(default=None, description="published PIM checkpoint")


class StepSection(_Section):
    """Optimiser, schedule and numbers of a step."""

    name: Literal["lion", "sgd", "adamw", "adam"] = "lion"
    lr: float = Field(default=5e-6, gt=0)
    lr_backbone: float | None = Field(default=None, gt=0, description="None: as lr")
    weight_decay: float = Field(default=5e-4, ge=0)
    betas: tuple[float, float] = (0.9, 0.99)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="SGD, Nesterov")
    epochs: int = Field(default=100, ge=1)
    batch: int = Field(default=16, ge=1, description="films of one pass, all ranks together")
    accumulate: int = Field(default=2, ge=1, description="passes of one step")
    warmup: int = Field(default=800, ge=0, description="passes until the largest rate")
    schedule: Literal["cosine", "steps"] = "cosine"
    milestones: tuple[float, ...] = Field(
        default=(0.5, 0.75), description="steps: shares of the run after which the rate falls"
    )
    gamma: float = Field(default=0.1, gt=0, lt=1, description="steps: to this part of itself")
    head_epochs: int = Field(
        default=0, ge=0, description="first epochs in which the backbone's rate is 0"
    )
    clip: float | None = Field(default=None, gt=0, description="largest gradient norm")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: bfloat16 where the device has it, else float32"
    )
    ema_decay: float = Field(default=0.0, ge=0, lt=1, description="0: no averaged weights")


class ChangeSection(_Section):
    """Random changes of the pictures, the same for all classes."""

    flip: float = Field(default=0.5, ge=0, le=1, description="probability, left to right")
    films: AugmentSection | None = Field(
        default=None, description="geometry and exposure as for the shipped model, beside the rest"
    )
    blur: float = Field(default=0.1, ge=0, le=1, description="Gaussian 5x5, sigma 0.1 to 5")
    sharpen: float = Field(default=0.1, ge=0, le=1, description="sharpness 1.5, probability")
    randaugment: int = Field(default=0, ge=0, description="operations a film; 0: none")
    magnitude: int = Field(default=9, ge=0, le=30, description="of RandAugment")
    mixup: float = Field(default=0.0, ge=0, description="Beta parameter; 0: none")
    cutmix: float = Field(
        default=0.0, ge=0, description="Beta parameter; 0: none; beside mixup, turn about by chance"
    )
    mask_metadata: float = Field(default=0.5, ge=0, le=1, description="share at the last epoch")


class WatchSection(_Section):
    """What is measured and kept while training."""

    track: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)
    evaluate_every: int = Field(default=1, ge=1, description="epochs")
    save_every: int = Field(default=100, ge=1, description="steps between states to resume from")


class Plan(_Section):
    """One training run over split films."""

    trainer: Literal["split"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    version: str = "1"
    out: Path
    seed: int = 0
    threads: int = Field(default=0, ge=0, description="0: torch decides")
    resume: bool = Field(default=False, description="go on from out/state.pt, to the step")
    task: Literal["single", "multi"] = Field(
        default="single", description="one class of several, or each finding for itself"
    )
    classes: tuple[str, ...] = Field(min_length=2)
    data: SplitSection = SplitSection()
    network: NetworkPart
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    losses: LossSection = LossSection()
    optimiser: StepSection = StepSection()
    augment: ChangeSection = ChangeSection()
    watch: WatchSection = WatchSection()
    package: PackageSection = PackageSection()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        strange = [c for c in self.classes if c not in FINDINGS and c != NO_FINDING]
        if strange:
            raise ValueError(f"classes: {strange} are not in model.findings")
        if (self.data.manifest is None) == (self.data.folders is None):
            raise ValueError("data: give one of data.manifest=FILE and data.folders=FOLDER")
        if self.losses.boxes:
            raise ValueError("losses.boxes: only the recipe of the shipped model has hints")
        if self.task == "multi" and NO_FINDING in self.classes:
            raise ValueError("classes: in task multi no_finding is the absence of all others")
        return self

    def pim(self) -> PimConfig:
        """Return the network's own configuration."""
        skipped = {"frozen_stages", "frozen_norms", "backbone_weights", "published_weights"}
        activation = "softmax" if self.task == "single" else "sigmoid"
        fields = self.network.model_dump(exclude=skipped)
        return PimConfig.model_validate(
            {**fields, "classes": self.classes, "activation": activation}
        )

    def profile(self) -> PixelProfile:
        """Return size, mean and deviation of the network's input."""
        return PixelProfile(size=self.network.size, mean=self.mean, std=self.std)

    def public(self) -> dict[str, Any]:
        """Return the plan without paths of this machine, as plain values."""
        return self.model_dump(
            mode="json",
            exclude={
                "out": True,
                "data": {"manifest", "folders"},
                "network": {"backbone_weights", "published_weights"},
            },
        )

    @classmethod
    def read(cls, path: Path, words: Sequence[str]) -> Self:
        """Read a YAML plan; each word ``section.key=value`` replaces one value.

        Raises
        ------
        RecipeError
            Unknown key, wrong type or value, or a word without "=".
        """
        return cls.check(read_tree(path, words), str(path))

    @classmethod
    def check(cls, tree: dict[str, Any], where: str) -> Self:
        """Turn a tree of values into a plan; `where` names it in messages."""
        try:
            plan = cls.model_validate(tree)
            plan.pim()
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise RecipeError(f"{where}: " + "; ".join(lines)) from error
        return plan
