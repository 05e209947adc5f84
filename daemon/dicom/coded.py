"""A coded concept as a plain record (PS3.3 section 8)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CodedValue:
    """A complete code: no part of it is empty."""

    value: str
    scheme: str
    meaning: str
