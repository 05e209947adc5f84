"""A data set becomes a manifest: facts filled in, copies left out, patients split."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from training.data.examples import DataError, Example, refuse_contradictions
from training.data.radiographs import circumstances
from training.data.splits import record_split, split_by_patient

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def convert(
    films: Sequence[Example], out: Path, shares: Mapping[str, float] | None, seed: int
) -> list[Example]:
    """Write films as a manifest with its record; return the films that are in it.

    Parameters
    ----------
    films : sequence of Example
    out : Path
        The manifest, ``.csv``; the record beside it ends in ``.json``.
    shares : mapping of split to share, or None
        Splits to deal patients to anew; None: the films' own splits, or `SHARES` where one has
        none.
    seed : int

    Raises
    ------
    DataError
        The same content has different labels, something lies in two splits, or there are too few
        patients. Nothing is written then.
    """
    if out.suffix != ".csv":
        raise DataError(f"{out}: give the manifest a name that ends in .csv")
    refuse_contradictions(films)
    kept = [filled(film) for film in without_copies(films)]
    if shares is None and not all(film.split for film in kept):
        shares = SHARES
    if shares is not None:
        kept = split_by_patient(kept, shares, seed)
    facts = {"seed": seed, "shares": dict(shares)} if shares else {}
    record_split(out, kept, facts)
    return kept


def without_copies(films: Sequence[Example]) -> list[Example]:
    """Keep the first film of each content: a copy elsewhere would make figures too good."""
    first: dict[str, Example] = {}
    for film in films:
        first.setdefault(film.sha256, film)
    return list(first.values())


def filled(film: Example) -> Example:
    """Fill in what the film's DICOM header tells and its source does not.

    The patient is left alone: an identifier has no place in a manifest.
    """
    told = circumstances(film.path)
    age = float(told["age"]) if "age" in told else None
    return replace(
        film,
        age=age if film.age is None else film.age,
        sex=film.sex or told.get("sex", ""),
        view=film.view or told.get("view", ""),
        laterality=film.laterality or told.get("laterality", ""),
    )
