"""A package of several networks: a chain of stages (manifest version 2).

A folder that holds one package of version 1 for each stage, in a folder of the stage's name, and a
manifest of its own. That names the sha256 of every stage's manifest, which holds the sha256 of its
graph and the rest: so the digest of this manifest names exactly what was run. A stage is a
localiser (`model.landmarks`) or a classifier (`model.package`); a branch says what becomes of the
images of some views: found landmarks, a crop around them, the mean of its members.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from model.composition import Crop, Rule
from model.landmarks import LandmarkManifest, LandmarkPackage
from model.package import FindingSpec, Manifest, ModelPackage, load_package
from model.verified import (
    CARD_FILE,
    MANIFEST_FILE,
    PackageError,
    Record,
    Sha256,
    hash_file,
    read_manifest,
    read_verified,
    replacing,
    write_manifest,
)

View = Literal["PA", "AP", "LAT", "OBL"]
StageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Branch(Record):
    """What becomes of the images of some views; without ``views``, of all that no other names.

    ``members`` classify the crop, or the whole image where there is no crop; ``mean`` says of what
    the mean of several is taken: of their calibrated probabilities, or of their logits, each
    divided by its temperature.
    """

    views: tuple[View, ...] = ()
    localiser: StageName | None = None
    crop: Crop | None = None
    least_peak: float = Field(
        default=0.0, ge=0, description="height from which on a heat map shows its landmark"
    )
    members: tuple[StageName, ...] = Field(min_length=1)
    mean: Literal["probabilities", "logits"] = "probabilities"

    @model_validator(mode="after")
    def _crop_has_landmarks(self) -> "Branch":
        if self.crop is not None and self.localiser is None:
            raise ValueError("a crop needs landmarks: name a localiser")
        if self.localiser is not None and self.crop is None:
            raise ValueError(f"the landmarks of {self.localiser!r} are for nothing: give a crop")
        if len(set(self.members)) < len(self.members):
            raise ValueError("a member is named twice")
        return self


class Fusion(Record):
    """How the scores of several views of one side become one score."""

    views: tuple[View, ...] = Field(min_length=2)
    rule: Rule


class ChainManifest(Record):
    """All that the daemon must know of a chain to use it, and to say what it used.

    Operating points are those of the final score: of the fused one where views are fused.
    """

    schema_version: Literal[2] = 2
    kind: Literal["chain"] = "chain"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    version: str
    stages: dict[StageName, Sha256] = Field(
        min_length=1, description="folders of the stages, with the sha256 of their manifests"
    )
    branches: tuple[Branch, ...] = Field(min_length=1)
    fusion: Fusion | None = None
    findings: tuple[FindingSpec, ...] = Field(min_length=1)
    calibration: str = Field(description="how scores were calibrated; repeated in reports")
    body_parts: tuple[str, ...] = Field(description="BodyPartExamined values the chain is for")
    min_age_years: float | None = Field(default=None, ge=0)
    max_age_years: float | None = Field(default=None, ge=0)
    attribution: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _views_fit(self) -> "ChainManifest":
        used = {stage for branch in self.branches for stage in _stages_of(branch)}
        if unknown := sorted(used - self.stages.keys()):
            raise ValueError(f"branches name a stage that does not exist: {', '.join(unknown)}")
        if idle := sorted(self.stages.keys() - used):
            raise ValueError(f"no branch uses the stage {', '.join(idle)}")
        views = [view for branch in self.branches for view in branch.views]
        is_open = [not branch.views for branch in self.branches]
        if len(set(views)) < len(views) or sum(is_open) > 1:
            raise ValueError("two branches are for the same view")
        fused = () if self.fusion is None else self.fusion.views
        if not any(is_open) and (nobody := sorted(set(fused) - set(views))):
            raise ValueError(f"fusion: no branch classifies the view {', '.join(nobody)}")
        return self

    def branch_of(self, view: View | None) -> int | None:
        """Return the place of the branch that is for a view; None where there is none."""
        named = (place for place, one in enumerate(self.branches) if view in one.views)
        other = (place for place, one in enumerate(self.branches) if not one.views)
        return next(named, next(other, None))


@dataclass(frozen=True)
class ChainPackage:
    """A verified chain on disk, its stages by name."""

    folder: Path
    manifest: ChainManifest
    digest: str
    """sha256 of the manifest, which holds those of all stages' manifests."""
    classifiers: Mapping[str, ModelPackage]
    localisers: Mapping[str, LandmarkPackage]

    @property
    def graphs(self) -> "dict[str, ModelPackage | LandmarkPackage]":
        """All stages."""
        return {**self.localisers, **self.classifiers}

    def with_findings(self, findings: tuple[FindingSpec, ...]) -> "ChainPackage":
        """Return it with other operating points."""
        changed = self.manifest.model_copy(update={"findings": findings})
        return replace(self, manifest=changed)


AnyPackage = ModelPackage | ChainPackage


class _Versioned(Record, extra="ignore"):
    schema_version: int = 1


def load(folder: Path) -> AnyPackage:
    """Read and verify a package of either version.

    Raises
    ------
    PackageError
        See `load_package` and `load_chain`.
    """
    version = read_manifest(folder, _Versioned)[0].schema_version
    return load_chain(folder) if version == 2 else load_package(folder)  # noqa: PLR2004


def load_chain(folder: Path) -> ChainPackage:
    """Read a chain, and verify every stage down to the last bit of its graph.

    Raises
    ------
    PackageError
        The manifest is malformed, a stage cannot be used, or the stages do not fit each other.
    """
    manifest, digest = read_manifest(folder, ChainManifest)
    classifiers: dict[str, ModelPackage] = {}
    localisers: dict[str, LandmarkPackage] = {}
    for name, expected in manifest.stages.items():
        stage = _read_stage(folder / name)
        if stage.digest != expected:
            raise PackageError(
                f"model package {folder / name}: its manifest does not match the chain's sha256; "
                "export or copy it again"
            )
        if isinstance(stage, LandmarkPackage):
            localisers[name] = stage
        else:
            classifiers[name] = stage
    package = ChainPackage(folder, manifest, digest, classifiers, localisers)
    for problem in _misfits(package):
        raise PackageError(f"model package {folder}: {problem}")
    return package


def write_chain(
    folder: Path, stages: Mapping[str, Path], described: Mapping[str, object], card: str
) -> ChainPackage:
    """Write a chain beside its place and rename it there; an old one is replaced whole.

    Parameters
    ----------
    folder : Path
    stages : mapping name -> package folder of version 1
        Copied as they are.
    described : mapping
        The keys of `ChainManifest`, all but ``stages``.
    card : str

    Raises
    ------
    PackageError
        The chain would not be accepted; the place is as it was.
    """
    try:
        digests = {name: hash_file(stage / MANIFEST_FILE) for name, stage in stages.items()}
    except OSError as error:
        raise PackageError(f"stage: {error.strerror}: {error.filename}") from error
    try:
        manifest = ChainManifest.model_validate({**described, "stages": digests})
    except ValidationError as error:
        raise PackageError.of(f"model package {folder}", error) from error
    with replacing(folder) as beside:
        for name, stage in stages.items():
            shutil.copytree(stage, beside / name)
        write_manifest(beside, manifest)
        (beside / CARD_FILE).write_text(card, encoding="utf-8")
        load_chain(beside)
    return load_chain(folder)


def _stages_of(branch: Branch) -> tuple[str, ...]:
    return (*branch.members, *([branch.localiser] if branch.localiser is not None else []))


class _Kind(Record, extra="ignore"):
    kind: str = "findings"


def _read_stage(folder: Path) -> ModelPackage | LandmarkPackage:
    if read_manifest(folder, _Kind)[0].kind == "landmarks":
        return LandmarkPackage(folder, *read_verified(folder, LandmarkManifest))
    return load_package(folder)


def _misfits(package: ChainPackage) -> Iterator[str]:
    """Give what does not fit between the stages, in words."""
    for branch in package.manifest.branches:
        yield from _wrong_kinds(package, branch)
        yield from _wrong_landmarks(package, branch)
    members = [
        (name, package.classifiers[name].manifest)
        for branch in package.manifest.branches
        for name in branch.members
    ]
    first_name, first = members[0]
    for name, one in members[1:]:
        if one.classes != first.classes:
            yield f"the classes of {name} are not those of {first_name}"
    for name, one in members:
        yield from _unreported(package.manifest, name, one)
    for branch in package.manifest.branches:
        yield from _unlike(package, branch)


def _wrong_kinds(package: ChainPackage, branch: Branch) -> Iterator[str]:
    for name in branch.members:
        if name not in package.classifiers:
            yield f"the member {name} is no classifier"
    if branch.localiser is not None and branch.localiser not in package.localisers:
        yield f"the localiser {branch.localiser} gives no landmarks"


def _wrong_landmarks(package: ChainPackage, branch: Branch) -> Iterator[str]:
    if branch.localiser is None or branch.crop is None:
        return
    localiser = package.localisers[branch.localiser].manifest
    names, has_heat = localiser.landmarks, localiser.output == "heatmaps"
    if has_heat != (branch.least_peak > 0):
        need = "needs" if has_heat else "has no heat maps, and takes no"
        yield f"the localiser {branch.localiser} {need} least_peak"
    for index in branch.crop.used:
        if not 0 <= index < len(names):
            yield f"crop: {branch.localiser} has no landmark {index}, it has {len(names)}"


def _unreported(chain: ChainManifest, name: str, member: Manifest) -> Iterator[str]:
    own = {finding.name: finding.class_index for finding in member.findings}
    for finding in chain.findings:
        if own.get(finding.name) != finding.class_index:
            yield f"{name} does not report {finding.name} as its class {finding.class_index}"


def _unlike(package: ChainPackage, branch: Branch) -> Iterator[str]:
    """Members of one branch see one input, and what is averaged must be of one kind."""
    first, *others = (package.classifiers[name].manifest for name in branch.members)
    for name, one in zip(branch.members[1:], others, strict=True):
        if one.pixels != first.pixels:
            yield f"{name} and {branch.members[0]} are members of one branch with other pixels"
        if branch.mean == "logits" and one.activation != first.activation:
            yield f"{name} and {branch.members[0]} have other activations: no mean of their logits"
