"""What a run, checkpoint or package says of itself, in one form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model import checkpoint
from model.checkpoint import Checkpoint
from model.landmarks import LandmarkManifest
from model.package import Manifest
from model.verified import Description, PackageError, read_manifest
from training.data.examples import DataError
from training.judging.subject import Judged, LandmarkSubject

FEW = 100
"""Positives below which an operating point is provisional: with 100, two standard errors of a
sensitivity of 0.95 are 0.04."""


@dataclass(frozen=True)
class About:
    """What is known of a subject beside its answers.

    Attributes
    ----------
    network, recipe, provenance : dict
        As in `model.checkpoint.Checkpoint`; a package has no recipe.
    metrics : dict
        Figures on the films that it was chosen and calibrated by; a package has none.
    notes : tuple of str
        What it says in sentences: calibration, attribution.
    """

    name: str
    version: str
    task: str
    network: dict[str, Any]
    recipe: dict[str, Any]
    provenance: dict[str, str]
    metrics: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def placed_by(self, finding: str) -> int | None:
        """Return how many positive films placed a finding's points; None when it is not known."""
        count = self.metrics.get("positives", {}).get(finding)
        if count is None:
            figures = self.metrics.get("findings", {}).get(finding, {})
            count = figures.get("films", [None])[0]
        return None if count is None else int(count)


def about(subject: Judged) -> About:
    """Read what a subject says of itself.

    Raises
    ------
    DataError
        Its file cannot be read.
    """
    path = subject.path
    try:
        if path.is_dir():
            return _of_package(path, subject)
        return _of_stored(checkpoint.load(path), subject)
    except (OSError, ValueError, PackageError) as error:
        raise DataError(f"{path}: cannot be reported: {error}") from error


def warnings_of(facts: About, subject: Judged, split: str | None) -> list[str]:
    """Return what a reader must know before the figures; `split` names the films judged."""
    found = []
    overlap = facts.provenance.get("overlap", "none")
    if overlap != "none":
        found.append(
            f"Overlap was declared in training ({overlap} in two splits): figures are too good."
        )
    judged_by = facts.metrics.get("judged_by")
    if split is None or split == judged_by:
        found.append(
            f"These figures are of the films ({judged_by or 'not named'}) that chose the network, "
            "its calibration and its operating points: they are too good."
        )
    if isinstance(subject, LandmarkSubject):
        return found
    findings = sorted({key.rpartition(".")[0] for key in subject.decision if "." in key})
    return found + [_told(name, facts.placed_by(name)) for name in findings if _few(facts, name)]


def flat(tree: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Return dotted keys and values of nested mappings."""
    rows: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{name}.")
        else:
            rows.append((name, str(value)))
    return rows


def _few(facts: About, finding: str) -> bool:
    count = facts.placed_by(finding)
    return count is None or count < FEW


def _told(finding: str, count: int | None) -> str:
    if count is None:
        return (
            f"{finding}: it is not recorded how many positive films placed the operating points; "
            "take them as provisional."
        )
    return f"{finding}: {count} positive films placed the operating points; they are provisional."


def _of_stored(stored: Checkpoint, subject: Judged) -> About:
    recipe = stored.recipe
    return About(
        name=str(recipe.get("name", subject.path.stem)),
        version=str(recipe.get("version", "")),
        task=str(recipe.get("task") or _task_of(subject)),
        network={"kind": "pim"} | stored.network,
        recipe=recipe,
        provenance=stored.provenance,
        metrics=stored.metrics,
    )


def _of_package(folder: Path, subject: Judged) -> About:
    notes: tuple[str, ...] = ()
    manifest: Description
    if isinstance(subject, LandmarkSubject):
        manifest = read_manifest(folder, LandmarkManifest)[0]
    else:
        manifest = found = read_manifest(folder, Manifest)[0]
        notes = (f"Calibration: {found.calibration}",)
    return About(
        name=manifest.name,
        version=manifest.version,
        task=_task_of(subject),
        network={"kind": manifest.network, "precision": manifest.precision},
        recipe={},
        provenance=manifest.training,
        notes=(*notes, *manifest.attribution),
    )


def _task_of(subject: Judged) -> str:
    if isinstance(subject, LandmarkSubject):
        return "landmarks"
    if subject.activation == "softmax":
        return "single"
    return "binary" if len(subject.classes) == 1 else "multi"
