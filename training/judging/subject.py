"""What can be evaluated: a checkpoint with all its heads, or a model package with its answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from model import checkpoint
from model.checkpoint import Checkpoint
from model.networks.classifier import Classifier
from model.networks.pim import Pim
from model.networks.selector import Activation
from model.package import PackageError, load_package
from model.pixels import PixelProfile, normalise
from training.data.examples import DataError, Example
from training.data.pictures import Films
from training.judging.responses import ANSWER, HeadAnswers, answer_films
from training.recipe.sections import Geometry


@dataclass(frozen=True, eq=False)
class Subject:
    """Something that answers for films.

    Attributes
    ----------
    decision : dict
        Temperature and operating points, as in `training.judging.decision.decide`.
    network : Pim, Classifier or None
        None for a package.
    """

    path: Path
    classes: tuple[str, ...]
    activation: Activation
    geometry: Geometry
    profile: PixelProfile
    decision: dict[str, float]
    network: Pim | Classifier | None

    @property
    def head(self) -> str:
        """Which of its heads answers."""
        return self.network.config.head if isinstance(self.network, Pim) else ANSWER

    def answer(self, examples: list[Example]) -> HeadAnswers:
        """Return what the heads say of films."""
        films = Films(examples, self.geometry, self.profile, keep=False)
        if self.network is not None:
            return answer_films(self.network, films)
        return _run_package(self.path, films)


def load_subject(path: Path) -> Subject:
    """Read a checkpoint file or a package folder.

    Raises
    ------
    DataError
        It is neither, or made for another architecture.
    """
    try:
        return _from_package(path) if path.is_dir() else from_checkpoint(path)
    except (OSError, ValueError, PackageError) as error:
        raise DataError(f"{path}: cannot be evaluated: {error}") from error


def from_checkpoint(path: Path) -> Subject:
    """Read a checkpoint."""
    stored: Checkpoint = checkpoint.load(path)
    network = stored.build()
    if not isinstance(network, Pim | Classifier):
        raise ValueError("finds landmarks and has no classes")  # noqa: TRY004 - of the file
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    legacy = stored.pixels.get("name") == "legacy_510_384"
    fields = {name: value for name, value in stored.pixels.items() if name != "name"}
    return Subject(
        path=path,
        classes=network.config.classes,
        activation=network.config.activation,
        geometry="legacy_510_384" if legacy else "letterbox",
        profile=PixelProfile.model_validate(fields),
        decision=_prefixed(stored.decision, network.config.classes),
        network=network.requires_grad_(False).to(device),
    )


def _from_package(folder: Path) -> Subject:
    manifest = load_package(folder).manifest
    decision = {"temperature": manifest.temperature}
    for finding in manifest.findings:
        decision[f"{finding.name}.high_sensitivity"] = finding.high_sensitivity
        decision[f"{finding.name}.high_specificity"] = finding.high_specificity
    return Subject(
        path=folder,
        classes=manifest.classes,
        activation=manifest.activation,
        geometry="letterbox",
        profile=manifest.pixels,
        decision=decision,
        network=None,
    )


def _prefixed(decision: dict[str, float], classes: tuple[str, ...]) -> dict[str, float]:
    """Give the points of the shipped model, which has one finding, that finding's prefix."""
    points = {k: v for k, v in decision.items() if k in ("high_sensitivity", "high_specificity")}
    if "fracture" not in classes:
        return decision
    return {f"fracture.{key}": value for key, value in points.items()} | decision


def _run_package(folder: Path, films: Films) -> HeadAnswers:
    import onnxruntime

    package = load_package(folder)
    session = onnxruntime.InferenceSession(package.graph, providers=["CPUExecutionProvider"])
    logits = []
    for row in range(len(films)):
        inputs = {
            "image": normalise(films[row].numpy(), films.profile)[None],
            "target": np.full(1, -1, dtype=np.int64),
        }
        logits.append(cast("np.ndarray[tuple[int, int], np.dtype[np.float32]]",
                           session.run(["logits"], inputs)[0]))  # fmt: skip
    return HeadAnswers({ANSWER: np.concatenate(logits)}, {})
