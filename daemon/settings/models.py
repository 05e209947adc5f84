"""Which models read, and what each of them is asked to read."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from daemon.dicom.body_parts import DEFINED_TERMS, folded
from daemon.settings.peers import AeTitle, Section

Word = Annotated[
    str,
    BeforeValidator(lambda word: folded(word) if isinstance(word, str) else word),
    Field(min_length=1, max_length=64),
]
"""Compared without regard to case and repeated blanks."""
_MOST_WILDCARDS = 8


class OperatingPoints(Section):
    """A site's own operating points for one finding, in place of the model package's."""

    finding: str = Field(min_length=1)
    high_sensitivity: float = Field(gt=0, lt=1)
    high_specificity: float = Field(gt=0, lt=1)
    reason: str = Field(min_length=1, max_length=200)
    """Why, by whom decided; stands in every report. No patient data."""


class When(Section):
    """What an image must state for a model to be asked; a criterion that is empty asks nothing.

    Body part and age are often left out of headers: an image that does not state them is not held
    to them. Every other criterion that is not empty must be met by a stated value.
    """

    calling: tuple[AeTitle, ...] = ()
    called: tuple[AeTitle, ...] = ()
    """Titles of ours, besides node.ae_title: the receiver answers to them."""
    modalities: tuple[Word, ...] = ()
    body_parts: tuple[Word, ...] = ()
    views: tuple[Literal["PA", "AP", "LAT", "OBL"], ...] = ()
    stations: tuple[Word, ...] = ()
    """Patterns as file names have them, for the name of the device."""
    descriptions: tuple[Word, ...] = ()
    """The same, for a whole description of image, series or study."""
    min_age_years: float = Field(default=0.0, ge=0)
    max_age_years: float = Field(default=200.0, ge=0)

    @field_validator("body_parts")
    @classmethod
    def _are_defined_terms(cls, terms: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(terms) - DEFINED_TERMS):
            raise ValueError(
                f"{', '.join(unknown)}: no defined term of PS3.16 Annex L "
                "(a site's own words stand in reading.body_parts)"
            )
        return terms

    @field_validator("stations", "descriptions")
    @classmethod
    def _patterns_are_short(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if any(one.count("*") > _MOST_WILDCARDS for one in patterns):
            raise ValueError(f"a pattern has at most {_MOST_WILDCARDS} asterisks")
        return patterns

    @model_validator(mode="after")
    def _some_age_is_in_range(self) -> "When":
        if self.min_age_years > self.max_age_years:
            raise ValueError("min_age_years is above max_age_years: no image could match")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether every image matches."""
        return self == When()


class Model(Section):
    """A model package, and what it reads."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    package: str = ""
    hold: bool = False
    """No package: a study with such an image is held for a person, and nothing is sent."""
    provider: Literal["", "auto", "cuda", "tensorrt", "cpu"] = ""
    """Empty: as in [reading]."""
    load: Literal["start", "first_use"] = "start"
    """From the start on it stays loaded; at its first use, until others need the room."""
    also: bool = False
    """Asked besides the first model that matches, and not only in its place."""
    when: When = When()
    operating_points: tuple[OperatingPoints, ...] = ()

    @model_validator(mode="after")
    def _reads_or_holds(self) -> "Model":
        if self.hold == bool(self.package):
            raise ValueError("give either a package, or hold = true")
        if self.hold and (self.provider or self.load != "start" or self.operating_points):
            raise ValueError("hold = true reads nothing: remove provider, load, operating_points")
        return self


SHIPPED = Model(name="wrist", package="model/packages/wrist-demo")
