"""How stored values become grey values (PS3.3 C.11.1, C.11.2, C.11.6), as plain records."""

from dataclasses import dataclass
from typing import Literal

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True)
class Rescale:
    """A linear modality transformation; `kind` is Rescale Type, "US" where none was said."""

    slope: float
    intercept: float
    kind: str = "US"


@dataclass(frozen=True)
class Table:
    """A lookup table: `entries[i]` stands for the input `first + i`; the ends go on outwards."""

    first: int
    bits: int
    entries: tuple[int, ...]
    kind: str = ""
    """Modality LUT Type."""


@dataclass(frozen=True)
class Window:
    """A VOI window in modality values."""

    center: float
    width: float
    function: Function = "LINEAR"


@dataclass(frozen=True)
class Grey:
    """What was applied to an image's stored values; None where nothing was.

    `inverted` is True where the smallest value is white (MONOCHROME1, or the inverse shape).
    """

    modality: Rescale | Table | None = None
    voi: Window | Table | None = None
    inverted: bool = False
