"""The model package: a folder that holds a network and everything its numbers mean.

``model.onnx`` (graph), ``manifest.json`` (this module's `Manifest`), ``CARD.md`` (for people).

The graph's contract: inputs ``image`` float32 [batch, 3, size, size] and ``target`` int64 [batch]
(class index whose evidence is wanted, -1 for the predicted class); outputs ``logits``
[batch, classes], ``cam`` [batch, h, w] (Grad-CAM, >= 0, not normalised) and, where the manifest
has a gate, ``gate`` [batch] (logit that the image shows the expected body part).
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.findings import FINDINGS, NO_FINDING
from model.pixels import CONTRACT_VERSION, PixelProfile

GRAPH_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "CARD.md"


class PackageError(Exception):
    """The folder is no usable model package; the message says why and what to do."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FindingSpec(_Record):
    """How one finding is read from the network's output, and where its operating points lie.

    A calibrated score below ``high_sensitivity`` is negative, from ``high_specificity`` on
    positive, between them doubt.
    """

    name: str
    class_index: int = Field(ge=0)
    high_sensitivity: float = Field(gt=0, lt=1)
    high_specificity: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _known_and_ordered(self) -> "FindingSpec":
        if self.name not in FINDINGS:
            raise ValueError(f"finding {self.name!r} is not in model.findings")
        if self.high_sensitivity > self.high_specificity:
            raise ValueError(f"{self.name}: high_sensitivity must not exceed high_specificity")
        return self


class Gate(_Record):
    """Refuses images of another body part: accepted when sigmoid(gate) >= threshold."""

    accepts: str = Field(description="what passes, in words a reader understands")
    threshold: float = Field(gt=0, lt=1)


class Golden(_Record):
    """The network's answer to `golden_input`, measured at export."""

    logits: tuple[float, ...]
    gate: float | None = None
    tolerance: float = Field(default=1e-3, gt=0)


class Manifest(_Record):
    """All that the daemon must know of a network to use it, and to say what it used."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    version: str
    graph_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    pixel_contract: int
    pixels: PixelProfile
    activation: Literal["softmax", "sigmoid"]
    classes: tuple[str, ...] = Field(min_length=1)
    findings: tuple[FindingSpec, ...] = Field(min_length=1)
    temperature: float = Field(gt=0, description="logits are divided by it before activation")
    calibration: str = Field(description="how the temperature was found; repeated in reports")
    gate: Gate | None = None
    cam_layer: str
    golden: Golden
    body_parts: tuple[str, ...] = Field(description="BodyPartExamined values the model is for")
    min_age_years: float | None = Field(default=None, ge=0)
    max_age_years: float | None = Field(default=None, ge=0)
    training: dict[str, str] = Field(description="commit, data hash, recipe, seed, versions")
    parity: dict[str, float] = Field(description="largest differences to PyTorch, at export")
    attribution: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _classes_fit(self) -> "Manifest":
        for finding in self.findings:
            if finding.class_index >= len(self.classes):
                raise ValueError(f"{finding.name}: there is no class {finding.class_index}")
            if self.classes[finding.class_index] != finding.name:
                raise ValueError(f"class {finding.class_index} is not named {finding.name!r}")
        unknown = [name for name in self.classes if name not in FINDINGS and name != NO_FINDING]
        if unknown:
            raise ValueError(f"classes are not in model.findings: {unknown}")
        if len(self.golden.logits) != len(self.classes):
            raise ValueError("golden.logits needs one value for each class")
        return self


@dataclass(frozen=True)
class ModelPackage:
    """A verified package on disk."""

    folder: Path
    manifest: Manifest
    digest: str
    """sha256 of the manifest, which holds the graph's own: names exactly what was run."""

    @property
    def graph(self) -> Path:
        """Path of the ONNX file."""
        return self.folder / GRAPH_FILE


def load_package(folder: Path) -> ModelPackage:
    """Read a package and verify it down to the last bit of its graph.

    Raises
    ------
    PackageError
        Missing file, malformed manifest, other pixel contract, or a digest that differs.
    """
    try:
        text = (folder / MANIFEST_FILE).read_bytes()
        manifest = Manifest.model_validate_json(text)
        graph_sha256 = hash_file(folder / GRAPH_FILE)
    except OSError as error:
        raise PackageError(f"model package {folder}: {error.strerror}: {error.filename}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise PackageError(f"model package {folder}: {where}: {first['msg']}") from error
    if graph_sha256 != manifest.graph_sha256:
        raise PackageError(
            f"model package {folder}: {GRAPH_FILE} does not match the manifest's sha256; "
            "export or copy it again"
        )
    if manifest.pixel_contract != CONTRACT_VERSION:
        raise PackageError(
            f"model package {folder}: made for pixel contract {manifest.pixel_contract}, this "
            f"program has {CONTRACT_VERSION}; export it again with this version"
        )
    return ModelPackage(folder, manifest, hashlib.sha256(text).hexdigest())


def write_package(folder: Path, graph: Path, manifest: Manifest, card: str) -> ModelPackage:
    """Write a package beside its place and rename it there; an old one is replaced whole.

    Raises
    ------
    PackageError
        The manifest's digest is not the graph's.
    """
    if hash_file(graph) != manifest.graph_sha256:
        raise PackageError(f"{graph}: not the graph whose sha256 the manifest holds")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    beside.chmod(0o755)
    shutil.copyfile(graph, beside / GRAPH_FILE)
    document = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (beside / MANIFEST_FILE).write_text(document + "\n", encoding="utf-8")
    (beside / CARD_FILE).write_text(card, encoding="utf-8")
    package = load_package(beside)
    if folder.exists():
        shutil.rmtree(folder)
    beside.rename(folder)
    return ModelPackage(folder, package.manifest, package.digest)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def golden_input(size: int) -> NDArray[np.float32]:
    """Return a fixed, smooth input, float32 (1, 3, size, size): the same on every machine.

    Waves of several directions and lengths, so that a changed weight shows in the answer.
    """
    y, x = np.mgrid[0:size, 0:size].astype(np.float64) / size
    channels = [np.sin(9 * x + 5 * y + c) + np.cos((17 + 3 * c) * x * y) for c in range(3)]
    return np.stack(channels)[None].astype(np.float32)


def probabilities(logits: NDArray[np.float32], manifest: Manifest) -> NDArray[np.float64]:
    """Turn logits [batch, classes] into calibrated probabilities of the same shape."""
    scaled = logits.astype(np.float64) / manifest.temperature
    if manifest.activation == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(-scaled)))
    shifted = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
