"""The recipe: every knob of a training run, checked before anything is read.

``recipe.sections`` holds the keys, ``recipe.parsing`` reads YAML and ``key=value`` words.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from model.findings import FINDINGS, NO_FINDING
from model.networks.hourglass import HourglassConfig
from model.networks.registry import Configuration, configure
from model.networks.selector import Activation
from model.pixels import PixelProfile
from training.recipe.parsing import RecipeError, read_tree, refuse_old_form
from training.recipe.sections import (
    AugmentSection,
    DataSection,
    GateSection,
    LossSection,
    NetworkSection,
    OptimiserSection,
    PackageSection,
    PixelSection,
    RecipeSection,
    WatchSection,
)

Task = Literal["single", "multi", "binary", "landmarks"]


class Recipe(RecipeSection):
    """One training run."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="of the run, later of the package"
    )
    version: str = Field(default="1", description="of the package")
    out: Path = Field(description="folder for everything that the run leaves")
    seed: int = Field(default=0, description="of everything random")
    threads: int = Field(default=0, ge=0, description="0: torch decides")
    resume: bool = Field(default=False, description="go on from out/state.pt, to the step")
    task: Task = Field(
        default="single",
        description="single: one class of several; multi: each finding for itself; binary: one "
        "finding; landmarks: places instead of classes",
    )
    classes: tuple[str, ...] = Field(default=(), description="in the order of the logits")
    auxiliary: dict[str, float] = Field(
        default={},
        description="further heads in training only: column of the manifest to weight of its loss",
    )
    data: DataSection = DataSection()
    network: NetworkSection = NetworkSection()
    pixels: PixelSection = PixelSection()
    losses: LossSection = LossSection()
    optimiser: OptimiserSection = OptimiserSection()
    augment: AugmentSection = AugmentSection()
    gate: GateSection | None = None
    watch: WatchSection = WatchSection()
    package: PackageSection = PackageSection()

    @model_validator(mode="after")
    def _classes_fit_the_task(self) -> Self:
        strange = [c for c in self.classes if c not in FINDINGS and c != NO_FINDING]
        if strange:
            raise ValueError(f"classes: {strange} are not in model.findings")
        least = {"single": 2, "multi": 1, "binary": 1, "landmarks": 0}[self.task]
        most = {"binary": 1, "landmarks": 0}.get(self.task, len(FINDINGS) + 1)
        if not least <= len(self.classes) <= most:
            raise ValueError(f"classes: task {self.task} has {least} to {most} of them")
        if self.task in ("multi", "binary") and NO_FINDING in self.classes:
            raise ValueError(
                f"classes: in task {self.task} no_finding is the absence of all others"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.data.manifest is None) == (self.data.folders is None):
            raise ValueError("data: give one of data.manifest=FILE and data.folders=FOLDER")
        if (self.data.sampler == "shares") != bool(self.data.shares):
            raise ValueError("data.shares: goes with data.sampler=shares, and it with them")
        if (self.task == "landmarks") != (self.network.kind == "hourglass"):
            raise ValueError("task: landmarks are what network.kind=hourglass finds, and no other")
        if self.network.kind != "pim" and (self.losses.boxes or self.gate is not None):
            raise ValueError("losses.boxes and gate: only network.kind=pim has them")
        if self.follows_places and (self.data.geometry != "letterbox" or self._blends):
            raise ValueError(
                "losses.boxes and landmarks: places follow data.geometry=letterbox only, without "
                "augment.cutmix and randaugment (boxes: without mixup)"
            )
        if self.gate is not None and self.watch.evaluate_every:
            raise ValueError("gate: is fitted after the last step: write watch.evaluate_every: 0")
        if self.auxiliary and self.task == "landmarks":
            raise ValueError("auxiliary: only with classes")
        return self

    @property
    def follows_places(self) -> bool:
        """Whether places in the picture are learnt, which must move with it."""
        return self.task == "landmarks" or self.losses.boxes > 0

    @property
    def _blends(self) -> bool:
        mixed = self.losses.boxes > 0 and self.augment.mixup > 0
        return mixed or self.augment.cutmix > 0 or self.augment.randaugment > 0

    @property
    def is_exclusive(self) -> bool:
        """Whether a film has exactly one class."""
        return self.task == "single"

    @property
    def activation(self) -> Activation:
        """How logits become probabilities."""
        return "softmax" if self.is_exclusive else "sigmoid"

    def landmarks(self) -> tuple[str, ...]:
        """Return the names of the places to learn; none where classes are learnt."""
        configuration = self.configuration()
        return configuration.landmarks if isinstance(configuration, HourglassConfig) else ()

    def configuration(self) -> Configuration:
        """Return the network's own configuration: what a checkpoint builds it from.

        Raises
        ------
        ValueError
            There is no such kind, or a key does not fit it.
        """
        fields = self.network.own()
        if self.task != "landmarks":
            fields |= {"classes": self.classes, "activation": self.activation}
        return configure(fields)

    def profile(self) -> PixelProfile:
        """Return how a film becomes the network's input."""
        return PixelProfile(size=self.network.size, **self.pixels.model_dump())

    def public(self) -> dict[str, Any]:
        """Return the recipe without paths of this machine, as plain values."""
        tree = self.model_dump(
            mode="json",
            exclude={
                "out": True,
                "data": {"manifest", "folders", "lock"},
                "network": {"published_weights"},
                "gate": {"refuse"},
            },
        )
        tree["network"]["weights"] = Path(self.network.weights).name
        return tree

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
        """Turn a tree of values into a recipe; `where` names it in messages.

        Raises
        ------
        RecipeError
            Names every key that is wrong.
        """
        refuse_old_form(tree, where)
        try:
            recipe = cls.model_validate(tree)
        except ValidationError as error:
            raise RecipeError(f"{where}: {_told(error)}") from error
        try:
            recipe.configuration()
        except ValidationError as error:
            raise RecipeError(f"{where}: {_told(error, 'network')}") from error
        except ValueError as error:
            raise RecipeError(f"{where}: network: {error}") from error
        return recipe


def _told(error: ValidationError, *section: str) -> str:
    lines = []
    for one in error.errors():
        key = ".".join(map(str, (*section, *one["loc"])))
        unknown = one["type"] == "extra_forbidden"
        lines.append(f"{key}: {'unknown key' if unknown else one['msg']}")
    return "; ".join(lines)
