"""Lock files: which films a data set holds, with content, labels, split and patient.

`data.lock` of a recipe demands that the films are those. The digest decides; what stands of each
film only serves to say in what they differ, and tells nobody's identity.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from model.package import hash_file
from training.data.examples import DataError, Example
from training.data.splits import counts, data_hash, write_whole


class FrozenFilms(BaseModel):
    """A data set, frozen.

    Attributes
    ----------
    made : datetime
    data_sha256 : str
        See `training.data.splits.data_hash`.
    patients : int
    classes : mapping of split to class to number of films
    films : mapping of file to sha256
        Over a film's content, labels, split and patient; the file as below the data set's folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    made: datetime
    data_sha256: str
    patients: int
    classes: dict[str, dict[str, int]]
    films: dict[str, str]


def freeze(examples: Iterable[Example], folder: Path) -> FrozenFilms:
    """Hash every film as it lies on disk, whatever a manifest says of it.

    Parameters
    ----------
    examples : iterable of Example
    folder : Path
        Of the data set; files are named from here.

    Raises
    ------
    DataError
        A film cannot be read.
    """
    films = [_hashed(example) for example in examples]
    return FrozenFilms(
        made=datetime.now(UTC).replace(microsecond=0),
        data_sha256=data_hash(films),
        patients=len({film.patient for film in films}),
        classes=counts(films),
        films={_name(film.path, folder): data_hash([film]) for film in films},
    )


def write_lock(path: Path, frozen: FrozenFilms) -> None:
    """Write a lock file, whole or not at all."""
    write_whole(path, frozen.model_dump_json(indent=2) + "\n")


def refuse_others(path: Path, examples: Iterable[Example], folder: Path) -> None:
    """Raise DataError where films are not those of a lock file; parameters as for `freeze`.

    Raises
    ------
    DataError
        It says how many films are new, gone and changed.
    """
    locked, found = _read_lock(path), freeze(examples, folder)
    if found.data_sha256 == locked.data_sha256:
        return
    here, there = found.films, locked.films
    changed = sum(here[name] != there[name] for name in here.keys() & there.keys())
    raise DataError(
        f"data.lock={path}: these are not the films that were frozen: "
        f"{len(here.keys() - there.keys())} new, {len(there.keys() - here.keys())} gone, "
        f"{changed} changed; where that is meant, freeze anew (python -m training.data freeze)"
    )


def _read_lock(path: Path) -> FrozenFilms:
    try:
        return FrozenFilms.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"data.lock={path}: {error.strerror}") from error
    except ValidationError as error:
        raise DataError(f"data.lock={path}: this is no lock file of a data set") from error


def _hashed(example: Example) -> Example:
    try:
        return replace(example, sha256=hash_file(example.path))
    except OSError as error:
        raise DataError(f"{example.path}: {error.strerror}") from error


def _name(path: Path, folder: Path) -> str:
    path, folder = path.absolute(), folder.absolute()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
