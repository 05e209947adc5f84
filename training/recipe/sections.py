"""The sections of a recipe: every knob of a training run with its meaning and default."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from model.networks.registry import KINDS
from model.pixels import IMAGENET_MEAN, IMAGENET_STD

Geometry = Literal["letterbox", "legacy_510_384"]
Drawing = Literal["shuffle", "balanced", "shares"]


class RecipeSection(BaseModel):
    """Frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Share(RecipeSection):
    """How much of the films drawn meets a condition."""

    where: dict[str, str] = Field(
        description="columns and the value that films have there; column labels: all findings, "
        "separated by ;"
    )
    share: float = Field(gt=0, le=1, description="of the films drawn, before all are scaled to 1")


class DataSection(RecipeSection):
    """Where the films are, and how they are drawn."""

    manifest: Path | None = Field(default=None, description="CSV, see training.data.examples")
    folders: Path | None = Field(default=None, description="published layout, instead of manifest")
    lock: Path | None = Field(
        default=None, description="lock file of the data set; other films end the run"
    )
    rename: dict[str, str] = Field(default={}, description="labels of the manifest to findings")
    where: dict[str, str] = Field(default={}, description="columns and the value rows must have")
    judged: dict[str, str] = Field(
        default={}, description="the same, for the films to judge by alone"
    )
    train: str = Field(default="train", description="split to train on")
    val: str = Field(default="val", description="split to choose and calibrate by")
    fold: int | None = Field(
        default=None, ge=0, description="judge by this fold of train instead of val, to choose by"
    )
    folds: int = Field(default=4, ge=2, description="folds of the training groups, see fold")
    overlap: Literal["refuse", "declare"] = Field(
        default="refuse", description="declare: train on leaking splits and say so everywhere"
    )
    geometry: Geometry = Field(
        default="letterbox", description="legacy_510_384: the wrist paper's, see data.films"
    )
    sampler: Drawing = Field(
        default="shuffle",
        description="shuffle: every film once an epoch; balanced: every class as often as any "
        "other; shares: as data.shares says",
    )
    shares: tuple[Share, ...] = Field(
        default=(), description="sampler shares: a film belongs to the first condition it meets"
    )
    weighted: bool = Field(default=False, description="weigh the loss of rare classes up")
    keep: bool = Field(
        default=True, description="decode once, keep the pictures in memory: 0.6 MB each at 384"
    )
    workers: int = Field(default=0, ge=0, description="processes that read ahead; 0 when kept")


class NetworkSection(BaseModel):
    """The kind of network, its initial weights, and the keys of its kind."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(default="pim", description=f"one of {', '.join(KINDS)}")
    weights: str = Field(
        default="", description="initial weights: a file, or a name (model.networks.initial)"
    )
    published_weights: Path | None = Field(default=None, description="published PIM checkpoint")
    frozen_stages: int = Field(default=0, ge=0, description="parts from the input on")
    frozen_norms: bool = Field(default=False, description="keep the backbone's batch statistics")
    size: int = Field(default=384, ge=32, description="side of the square input, pixels")

    def own(self) -> dict[str, Any]:
        """Return the keys of the kind's own configuration."""
        training = {"weights", "published_weights", "frozen_stages", "frozen_norms"}
        return self.model_dump(exclude=training)


class PixelSection(RecipeSection):
    """Fields of `model.pixels.PixelProfile` but for the size."""

    low_percentile: float = Field(default=0.5, description="darker pixels become 0")
    high_percentile: float = Field(default=99.5, description="brighter pixels become 1")
    mean: tuple[float, float, float] = Field(default=IMAGENET_MEAN, description="is subtracted")
    std: tuple[float, float, float] = Field(default=IMAGENET_STD, description="divides")


class LossSection(RecipeSection):
    """Weights of the loss terms (Chou et al. 2022: lambda_b, _s, _n, _c), and their shape."""

    nodes: float = Field(default=0.5, ge=0, description="PIM: mean token logits of each node")
    selected: float = Field(default=0.0, ge=0, description="PIM: selected tokens")
    dropped: float = Field(default=5.0, ge=0, description="PIM: dropped tokens say nothing")
    combined: float = Field(default=1.0, ge=0, description="the answer; PIM: the combiner")
    boxes: float = Field(default=0.0, ge=0, description="PIM: hints from boxes of findings")
    landmarks: float = Field(default=1.0, ge=0, description="task landmarks: squared distance")
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5, description="of cross entropies")
    focal: float = Field(
        default=0.0, ge=0, description="exponent of the focal loss (Lin et al. 2017); 0: none"
    )


class OptimiserSection(RecipeSection):
    """Optimiser, schedule and numbers of a step."""

    name: Literal["lion", "sgd", "adamw", "adam"] = Field(default="lion", description="which")
    lr: float = Field(default=5e-6, gt=0, description="largest rate")
    lr_backbone: float | None = Field(default=None, gt=0, description="None: as lr")
    weight_decay: float = Field(default=5e-4, ge=0, description="of all weights")
    betas: tuple[float, float] = Field(default=(0.9, 0.99), description="lion, adamw, adam")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="sgd, Nesterov")
    epochs: int = Field(default=100, ge=1, description="as many films as there are, drawn anew")
    steps: int | None = Field(default=None, ge=1, description="instead of epochs")
    batch: int = Field(default=16, ge=1, description="films of one pass, all ranks together")
    accumulate: int = Field(default=2, ge=1, description="passes of one step")
    warmup: int = Field(default=800, ge=0, description="passes until the largest rate")
    schedule: Literal["cosine", "steps"] = Field(default="cosine", description="after warm-up")
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


class AugmentSection(RecipeSection):
    """Random changes of the pictures, the same for all classes; 0 switches one off."""

    flip: float = Field(default=0.5, ge=0, le=1, description="probability, left to right")
    upside_down: float = Field(default=0.0, ge=0, le=1, description="probability")
    rotation_deg: float = Field(default=0.0, ge=0, description="either way")
    zoom: float = Field(default=0.0, ge=0, description="natural logarithm, either way")
    shift: float = Field(default=0.0, ge=0, description="of the side, either way")
    gamma: float = Field(default=0.0, ge=0, description="natural logarithm, either way")
    contrast: float = Field(default=0.0, ge=0, description="either way")
    coarsen: float = Field(default=0.0, ge=0, le=1, description="probability of coarser pixels")
    noise: float = Field(default=0.0, ge=0, description="largest deviation")
    blur: float = Field(default=0.1, ge=0, le=1, description="Gaussian 5x5, sigma 0.1 to 5")
    sharpen: float = Field(default=0.1, ge=0, le=1, description="sharpness 1.5, probability")
    randaugment: int = Field(default=0, ge=0, description="operations a film; 0: none")
    magnitude: int = Field(default=9, ge=0, le=30, description="of RandAugment")
    mixup: float = Field(default=0.0, ge=0, description="Beta parameter; 0: none")
    cutmix: float = Field(
        default=0.0, ge=0, description="Beta parameter; 0: none; beside mixup, turn about by chance"
    )
    mask_metadata: float = Field(default=0.5, ge=0, le=1, description="share at the last epoch")

    @property
    def moves(self) -> bool:
        """Whether pictures are turned, scaled or shifted, beyond left and right."""
        return any((self.upside_down, self.rotation_deg, self.zoom, self.shift))


class GateSection(RecipeSection):
    """The body-part gate of a PIM, fitted after the last step; see `training.judging.body_part`."""

    refuse: Path = Field(description="manifest of films that the gate must refuse")
    where: dict[str, str] = Field(default={}, description="columns and the value rows must have")
    films: int = Field(default=400, ge=1, description="of each kind, to fit by")


class WatchSection(RecipeSection):
    """What is measured and kept while training."""

    track: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = Field(
        default=("tensorboard",), description="where the figures go"
    )
    evaluate_every: int = Field(default=1, ge=0, description="epochs; 0: at the end only")
    save_every: int = Field(default=100, ge=1, description="steps between states to resume from")
    baselines: bool = Field(
        default=False, description="before training: what file sizes and a frozen network reach"
    )


class PackageSection(RecipeSection):
    """What the exported package says of itself beside figures; see `model.package.Manifest`."""

    accepts: str = Field(default="hand, wrist or forearm", description="what it is for, in words")
    body_parts: tuple[str, ...] = Field(
        default=("WRIST", "HAND", "FOREARM"), description="defined terms of PS3.16 Annex L"
    )
    min_age_years: float | None = Field(default=None, description="None: no limit")
    max_age_years: float | None = Field(default=None, description="None: no limit")
    cam_layer: str = Field(default="", description="layer of the maps; '': the network's own")
    calibration: str = Field(
        default="temperature fitted on the validation groups", description="in words"
    )
    attribution: tuple[str, ...] = Field(default=(), description="films and initial weights")
