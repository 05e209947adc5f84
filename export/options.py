"""What a package is wanted to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from export.pictures import LabelledFilm, of_split, read_films
from model.gradcam import Method
from model.tolerances import Precision

CALIBRATION_FILMS = 48


FilmSets = tuple[list[LabelledFilm], list[LabelledFilm]]
"""Those to judge by, those to calibrate by."""


class OptionsError(Exception):
    """The options do not go together; the message says which."""


@dataclass(frozen=True)
class Options:
    """The options of one export, each with what it is when nothing is said.

    Attributes
    ----------
    layers : tuple of str
        Layers of maps; empty: the recipe's, or the network's own.
    method : "gradcam" or "layercam"
    every_finding : bool
        A further output with the maps of all findings.
    precision : "fp32", "fp16" or "int8"
    batch : int or None
        Images of every call; None: any number.
    films : Path or None
        Table of real films, see `export.pictures.read_films`: split "val" (or all) is judged,
        split "train" calibrates int8.
    where, rename : mapping
        Rows of the table, and findings for its labels.
    external_data : bool
        Weights in a file beside the graph; always so beyond 2 GB.
    """

    layers: tuple[str, ...] = ()
    method: Method = "gradcam"
    every_finding: bool = False
    precision: Precision = "fp32"
    batch: int | None = None
    films: Path | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    external_data: bool = False

    def __post_init__(self) -> None:
        if self.precision == "int8" and self.films is None:
            raise OptionsError("--precision int8 needs --films to calibrate and to judge by")
        if self.external_data and self.precision != "fp32":
            raise OptionsError("--external-data goes with fp32 only")

    def read(self) -> FilmSets:
        """Return the films to judge by and those to calibrate by; none where none are given."""
        if self.films is None:
            return [], []
        films = read_films(self.films, self.where, self.rename)
        judged, rest = of_split(films, "val"), of_split(films, "train")
        step = max(1, len(rest) // CALIBRATION_FILMS)
        return judged, rest[::step][:CALIBRATION_FILMS]
