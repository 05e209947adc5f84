"""Which models read an image, by what its header states and who sent it.

The first model that matches is asked, and besides it each that matches and says `also`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from daemon.dicom.body_parts import contradicts, folded
from daemon.dicom.header import Header
from daemon.records import Origin
from daemon.settings import Model, When

Words = Mapping[str, str]
"""A site's own words for parts of the body: the defined term of each, both folded."""
Route = Callable[[Header | None, Origin], Sequence[str]]
"""Names the models that read an image, from its header and its origin."""


class Sent(Protocol):
    """An image, as far as routing asks for it."""

    @property
    def header(self) -> Header | None:
        """What it says of itself; None where nobody could read it."""

    @property
    def origin(self) -> Origin:
        """By which association it came."""


def asked_of(images: Iterable[Sent], route: Route) -> set[str]:
    """Return the names of the models that are asked of a study: of one of its images at least."""
    return {name for one in images for name in route(one.header, one.origin)}


def models_for(
    header: Header | None, origin: Origin, models: Sequence[Model], words: Words
) -> tuple[str, ...]:
    """Return the names of the models that read an image, in the order of the settings.

    Parameters
    ----------
    header : Header or None
        None where nobody could read it: it states nothing.
    origin : Origin
    models : sequence of Model
    words : mapping
        See `Words`.
    """
    fitting = [one for one in models if objection(header, origin, one.when, words) is None]
    first = next((one for one in fitting if not one.also), None)
    return tuple(one.name for one in fitting if one.also or one is first)


def objection(header: Header | None, origin: Origin, when: When, words: Words) -> str | None:
    """Return which criterion an image does not meet, in words that hold nothing of its header."""
    said = header or Header("", "", "")
    age = said.age_years
    failed = {
        "calling AE title": _is_no_title_of(when.calling, origin.calling_ae),
        "called AE title": _is_no_title_of(when.called, origin.called_ae),
        "modality": when.modalities and folded(said.modality) not in when.modalities,
        "body part": when.body_parts
        and contradicts(said.body_part, when.body_parts, words) is not None,
        "view": when.views and said.view not in when.views,
        "age": age is not None and not when.min_age_years <= age <= when.max_age_years,
        "station": _fits_none(when.stations, [said.station]),
        "description": _fits_none(when.descriptions, said.descriptions),
    }
    return next((criterion for criterion, is_failed in failed.items() if is_failed), None)


def _is_no_title_of(wanted: Sequence[str], title: str) -> bool:
    """Tell whether titles are wanted and this is none of them, in capitals or not."""
    return bool(wanted) and title.casefold() not in {one.casefold() for one in wanted}


def _fits_none(patterns: Sequence[str], texts: Sequence[str]) -> bool:
    """Tell whether patterns are given and no text is one of theirs."""
    said = [folded(text) for text in texts]
    fits = any(fnmatchcase(text, one) for text in said for one in patterns)
    return bool(patterns) and not fits


def never_asked(models: Sequence[Model]) -> list[str]:
    """Return the names of models that no image can reach: one before them takes every image."""
    takes_all = (n for n, one in enumerate(models) if one.when.is_empty and not one.also)
    first = next(takes_all, len(models))
    return [one.name for one in models[first + 1 :] if not one.also]
