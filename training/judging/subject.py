"""What can be judged: a checkpoint with all its heads, a model package with its answer, a run.

A `Subject` answers for films with logits; a `LandmarkSubject` finds places in them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict

from model import checkpoint
from model.checkpoint import Checkpoint
from model.composition import peaks
from model.landmarks import LandmarkManifest
from model.networks.classifier import Classifier
from model.networks.hourglass import Localiser
from model.networks.pim import Pim
from model.networks.selector import Activation
from model.package import GRAPH_FILE, MANIFEST_FILE, PackageError, load_package
from model.pixels import PixelProfile, normalise
from model.verified import Record, read_manifest, read_verified
from training.data.examples import DataError, Example
from training.data.films import Films
from training.data.located import locate
from training.judging.responses import ANSWER, HeadAnswers, answer_films, place_films
from training.recipe.sections import Geometry


class _AnyKind(Record):
    """Which kind of package a manifest describes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str = "findings"


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


@dataclass(frozen=True, eq=False)
class LandmarkSubject:
    """Something that finds landmarks in films; its network is None for a package."""

    path: Path
    landmarks: tuple[str, ...]
    profile: PixelProfile
    network: Localiser | None

    def locate(self, examples: list[Example]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the places found and the true ones [films, landmarks, 2], fractions of the side.

        Raises
        ------
        DataError
            A film has not as many landmarks as there are names, or cannot be read.
        """
        films = Films(examples, "letterbox", self.profile, keep=False)
        true = locate(films, self.landmarks).points.numpy()
        if self.network is None:
            return _run_localiser(self.path, films), true.astype(np.float64)
        return place_films(self.network, films).astype(np.float64), true.astype(np.float64)


Judged = Subject | LandmarkSubject


def file_of(path: Path) -> Path:
    """Return what a path stands for: of the folder of a run its ``best.pt``, or ``last.pt``."""
    if path.is_dir() and not (path / MANIFEST_FILE).exists():
        kept = [path / name for name in ("best.pt", "last.pt") if (path / name).is_file()]
        return kept[0] if kept else path
    return path


def load_judged(path: Path) -> Judged:
    """Read a run, checkpoint or package of any task.

    Raises
    ------
    DataError
        It is none of these, or made for another architecture.
    """
    path = file_of(path)
    try:
        if path.is_dir():
            manifest = read_manifest(path, _AnyKind)[0]
            is_localiser = manifest.kind == "landmarks"
            return _localising_package(path) if is_localiser else _from_package(path)
        return _of_stored(path, checkpoint.load(path))
    except (OSError, ValueError, PackageError) as error:
        raise DataError(f"{path}: cannot be evaluated: {error}") from error


def load_subject(path: Path) -> Subject:
    """Read a run, checkpoint or package that answers with classes.

    Raises
    ------
    DataError
        It is none of these, finds landmarks, or is made for another architecture.
    """
    found = load_judged(path)
    if isinstance(found, LandmarkSubject):
        raise DataError(f"{path}: cannot be evaluated: finds landmarks and has no classes")
    return found


def from_checkpoint(path: Path) -> Subject:
    """Read a checkpoint that answers with classes.

    Raises
    ------
    ValueError
        It is damaged, or finds landmarks.
    """
    found = _of_stored(path, checkpoint.load(path))
    if isinstance(found, LandmarkSubject):
        raise ValueError("finds landmarks and has no classes")  # noqa: TRY004 - of the file
    return found


def _of_stored(path: Path, stored: Checkpoint) -> Judged:
    network = stored.build()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.requires_grad_(False).to(device)
    legacy = stored.pixels.get("name") == "legacy_510_384"
    fields = {name: value for name, value in stored.pixels.items() if name != "name"}
    profile = PixelProfile.model_validate(fields)
    if isinstance(network, Localiser):
        return LandmarkSubject(path, network.config.landmarks, profile, network)
    return Subject(
        path=path,
        classes=network.config.classes,
        activation=network.config.activation,
        geometry="legacy_510_384" if legacy else "letterbox",
        profile=profile,
        decision=_prefixed(stored.decision, network.config.classes),
        network=network,
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


def _localising_package(folder: Path) -> LandmarkSubject:
    manifest = read_verified(folder, LandmarkManifest)[0]
    return LandmarkSubject(folder, manifest.landmarks, manifest.pixels, None)


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


def _run_localiser(folder: Path, films: Films) -> NDArray[np.float64]:
    import onnxruntime

    manifest = read_verified(folder, LandmarkManifest)[0]
    session = onnxruntime.InferenceSession(folder / GRAPH_FILE, providers=["CPUExecutionProvider"])
    found = []
    for row in range(len(films)):
        image = normalise(films[row].numpy(), films.profile)[None]
        answer = np.asarray(session.run([manifest.output], {"image": image})[0])[0]
        found.append(peaks(answer)[0] if manifest.output == "heatmaps" else answer)
    return np.stack(found).astype(np.float64)
