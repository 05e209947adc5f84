"""A folder whose manifest vouches for every file in it, written whole or not at all.

What every kind of model package shares, whatever its network answers; `model.package` holds the
kind that the daemon runs, `model.landmarks` the localisers.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.pixels import CONTRACT_VERSION, PixelProfile
from model.tolerances import Precision, faults

GRAPH_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "CARD.md"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_PlainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class PackageError(Exception):
    """The folder is no usable model package; the message says why and what to do."""

    @classmethod
    def of(cls, what: str, error: ValidationError) -> "PackageError":
        """Say the first problem of a manifest in one line."""
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        return cls(f"{what}: {where}: {first['msg']}")


class Record(BaseModel):
    """Frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskChange(Record):
    """What another precision does to one finding's AUROC: value, 95 % interval of the change."""

    finding: str
    films: int
    positive: int
    auroc_reference: float
    auroc: float
    change: tuple[float, float, float]


class ParityReport(Record):
    """What the figures under ``parity`` were measured on."""

    reference: str
    pictures: int
    films: int = 0
    tasks: tuple[TaskChange, ...] = ()


class Description(Record):
    """What the manifest of every kind of package says."""

    schema_version: Literal[1] = 1
    kind: str
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    version: str
    network: str = Field(default="pim", description="kind, see model.networks.registry")
    precision: Precision = "fp32"
    batch: int | None = Field(default=None, ge=1, description="images a call; None: any number")
    graph_sha256: Sha256
    external_data: dict[_PlainName, Sha256] = Field(
        default={}, description="files of weights beside the graph, with their sha256"
    )
    pixel_contract: int
    pixels: PixelProfile
    training: dict[str, str] = Field(description="commit, data hash, recipe, seed, versions")
    parity: dict[str, float] = Field(description="largest differences at export; model.tolerances")
    parity_report: ParityReport | None = None
    attribution: tuple[str, ...] = ()


Described = TypeVar("Described", bound=Description)
AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_verified(folder: Path, kind: type[Described]) -> tuple[Described, str]:
    """Read a manifest of one kind and verify all that it says of its folder.

    Returns
    -------
    manifest : Described
    digest : str
        sha256 of the manifest's file.

    Raises
    ------
    PackageError
        Missing file, malformed manifest, other pixel contract, a digest that differs, or no parity
        results within their limits.
    """
    manifest, manifest_digest = read_manifest(folder, kind)
    files = {GRAPH_FILE: manifest.graph_sha256} | manifest.external_data
    try:
        wrong = [name for name, digest in files.items() if hash_file(folder / name) != digest]
    except OSError as error:
        raise PackageError(f"model package {folder}: {error.strerror}: {error.filename}") from error
    if wrong:
        raise PackageError(
            f"model package {folder}: {wrong[0]} does not match the manifest's sha256; "
            "export or copy it again"
        )
    if manifest.pixel_contract != CONTRACT_VERSION:
        raise PackageError(
            f"model package {folder}: made for pixel contract {manifest.pixel_contract}, this "
            f"program has {CONTRACT_VERSION}; export it again with this version"
        )
    if found := faults(manifest.parity, manifest.precision):
        raise PackageError(f"model package {folder}: parity: {'; '.join(found)}; export it again")
    return manifest, manifest_digest


def read_manifest(folder: Path, kind: type[AnyRecord]) -> tuple[AnyRecord, str]:
    """Read a manifest alone; what it says of other files is not verified.

    Returns
    -------
    manifest : AnyRecord
    digest : str
        sha256 of the manifest's file.

    Raises
    ------
    PackageError
        It is missing or malformed.
    """
    try:
        text = (folder / MANIFEST_FILE).read_bytes()
        return kind.model_validate_json(text), hashlib.sha256(text).hexdigest()
    except OSError as error:
        raise PackageError(f"model package {folder}: {error.strerror}: {error.filename}") from error
    except ValidationError as error:
        raise PackageError.of(f"model package {folder}", error) from error


def write_verified(folder: Path, graph: Path, manifest: Description, card: str) -> str:
    """Write a package beside its place and rename it there; an old one is replaced whole.

    Files of external data are taken from beside the graph.

    Returns
    -------
    str
        sha256 of the manifest's file.

    Raises
    ------
    PackageError
        The manifest's digest is not the graph's, or the package would not be accepted; the place
        is as it was.
    """
    if hash_file(graph) != manifest.graph_sha256:
        raise PackageError(f"{graph}: not the graph whose sha256 the manifest holds")
    with replacing(folder) as beside:
        shutil.copyfile(graph, beside / GRAPH_FILE)
        for name in manifest.external_data:
            shutil.copyfile(graph.parent / name, beside / name)
        write_manifest(beside, manifest)
        (beside / CARD_FILE).write_text(card, encoding="utf-8")
        _, digest = read_verified(beside, type(manifest))
    return digest


def write_manifest(folder: Path, manifest: Record) -> None:
    """Write a manifest into a folder."""
    document = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / MANIFEST_FILE).write_text(document + "\n", encoding="utf-8")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a folder beside the place; when all is in it, it takes the place, else it goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        beside.chmod(0o755)
        yield beside
        old = beside.with_name(f"{beside.name}-old")
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)  # left by a crash behind a package that stands
            folder.rename(old)  # at once, and deleted when the new one stands in its place
        beside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
