"""Which models read an image, by what its header states and who sent it.

The first model that matches is asked, and besides it each that matches and says `also`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from daemon.dicom.body_parts import contradicts, folded
from daemon.dicom.header import Header
from daemon.settings import Model, When

Words = Mapping[str, str]
"""A site's own words for parts of the body: the defined term of each, both folded."""
Route = Callable[[Header | None, str], Sequence[str]]
"""Names the models that read an image, from its header and the AE title that sent it."""


class Sent(Protocol):
    """An image, as far as routing asks for it."""

    @property
    def header(self) -> Header | None:
        """What it says of itself; None where nobody could read it."""

    @property
    def calling_ae(self) -> str:
        """Who sent it."""


def asked_of(images: Iterable[Sent], route: Route) -> set[str]:
    """Return the names of the models that are asked of a study: of one of its images at least."""
    return {name for one in images for name in route(one.header, one.calling_ae)}


def models_for(
    header: Header | None, calling_ae: str, models: Sequence[Model], words: Words
) -> tuple[str, ...]:
    """Return the names of the models that read an image, in the order of the settings.

    Parameters
    ----------
    header : Header or None
        None where nobody could read it: it states nothing.
    calling_ae : str
        Who sent the image.
    models : sequence of Model
    words : mapping
        See `Words`.
    """
    fitting = [one for one in models if objection(header, calling_ae, one.when, words) is None]
    first = next((one for one in fitting if not one.also), None)
    return tuple(one.name for one in fitting if one.also or one is first)


def objection(header: Header | None, calling_ae: str, when: When, words: Words) -> str | None:
    """Return which criterion an image does not meet, in words that hold nothing of its header."""
    said = header or Header("", "", "")
    age = said.age_years
    described = [folded(text) for text in said.descriptions]
    failed = {
        "calling AE title": when.calling and calling_ae not in when.calling,
        "modality": when.modalities and folded(said.modality) not in when.modalities,
        "body part": when.body_parts
        and contradicts(said.body_part, when.body_parts, words) is not None,
        "view": when.views and said.view not in when.views,
        "age": age is not None and not when.min_age_years <= age <= when.max_age_years,
        "description": when.descriptions
        and not any(fnmatchcase(text, one) for text in described for one in when.descriptions),
    }
    return next((criterion for criterion, is_failed in failed.items() if is_failed), None)


def never_asked(models: Sequence[Model]) -> list[str]:
    """Return the names of models that no image can reach: one before them takes every image."""
    takes_all = (n for n, one in enumerate(models) if one.when.is_empty and not one.also)
    first = next(takes_all, len(models))
    return [one.name for one in models[first + 1 :] if not one.also]
