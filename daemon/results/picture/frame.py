"""A picture of an image with text above and below it: never on it, so that nothing is covered.

The image keeps every pixel; the sheet grows around it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.records import Category, ImageReading
from daemon.results.document.instance import Basis
from daemon.results.picture.markers import markers
from daemon.results.picture.sheet import COLOURS, MUTED, Letters, Sheet
from daemon.results.picture.windowing import grey_picture
from daemon.results.region import Box
from daemon.results.wording import BANNER

MOST_PIXELS = 6000
"""Longer side beyond which a copy is reduced; detectors for one exposure have fewer."""

_SCREEN = 2560
"""Longer side that a reduced copy has at most: the pixels of a reading monitor."""

_NARROWEST = 640
_LINE = 1 / 36
"""Height of the larger letters, as a share of the sheet's width."""

_LEADING = 1.55
SMALL = 0.68
_MARGIN = 0.8
GUTTER = 1.4
_LAST_BASE = 0.6
_FOOT_STEP = 1.3
"""All in letters."""


@dataclass(frozen=True)
class HeadLine:
    """One line of the head: a category's mark, what it is about, and what was found."""

    category: Category
    subject: str
    detail: str = ""


@dataclass(frozen=True, eq=False)
class Framed:
    """A sheet with an image on it.

    `left` and `top` are where the image begins; `scale` is sheet pixels for one source pixel;
    `letter` is the size of the larger letters.
    """

    sheet: Sheet
    left: int
    top: int
    rows: int
    columns: int
    scale: float
    letter: float

    def image_area(self) -> NDArray[np.uint8]:
        """Return where the image lies on the sheet, to write into."""
        return self.sheet.area(self.left, self.top, self.columns, self.rows)

    def spare_markers(self, copy: "PlainCopy") -> None:
        """Give side markers the pixels back that they have in the copy that is shown."""
        for box in copy.markers:
            left, top = int(box.left), int(box.top)
            part = copy.pixels[top : math.ceil(box.bottom), left : math.ceil(box.right)]
            self.sheet.paste(part, self.left + left, self.top + top)

    def explain(self, words: str) -> float:
        """Write what the picture shows above the banner; return the place after the words."""
        at = (self.letter * _MARGIN, self.explained_at)
        return at[0] + self.sheet.text(
            at,
            words,
            Letters(self.letter * SMALL, MUTED),
            width=self.sheet.width - 2 * at[0],
        )

    @property
    def explained_at(self) -> float:
        """The baseline of the explanation."""
        return self.sheet.height - self.letter * (_LAST_BASE + _FOOT_STEP)


@dataclass(frozen=True, eq=False)
class PlainCopy:
    """A windowed image, uint8 (rows, columns), and its scale (1 unless it is huge)."""

    pixels: NDArray[np.uint8]
    scale: float

    @cached_property
    def markers(self) -> list[Box]:
        """Where side markers lie."""
        return markers(self.pixels)

    @cached_property
    def reduced(self) -> "PlainCopy":
        """The copy for what needs no more pixels than a monitor has, smaller by a whole number."""
        factor = math.ceil(max(self.pixels.shape) / _SCREEN)
        if factor == 1:
            return self
        fewer = np.asarray(Image.fromarray(self.pixels).reduce(factor))
        return PlainCopy(fewer, self.scale / factor)


@lru_cache(maxsize=2)
def plain_copy(image: ImageReading) -> PlainCopy:
    """Return the windowed image without anything on it.

    Several pictures of one image follow each other: the last copies are kept for them.

    Raises
    ------
    ValueError
        The image was not decoded.
    """
    if image.radiograph is None:
        raise ValueError("the image was not decoded")
    grey = grey_picture(image.radiograph)
    rows, columns = grey.shape
    scale = min(1.0, MOST_PIXELS / max(rows, columns))
    if scale < 1.0:
        size = (round(columns * scale), round(rows * scale))
        grey = np.asarray(Image.fromarray(grey).resize(size, resample=Image.Resampling.BOX))
    grey.setflags(write=False)
    return PlainCopy(grey, scale)


def framed(
    copy: PlainCopy,
    title: str,
    lines: Sequence[HeadLine],
    basis: Basis,
    *,
    gutters: bool = False,
) -> Framed:
    """Put a picture on a sheet with a head (title, findings) and a foot (banner, model, date).

    `gutters` leaves room for a letter on both sides of it.
    """
    rows, columns = copy.pixels.shape
    width = max(columns, _NARROWEST)
    letter = width * _LINE
    if gutters:
        width = max(width, columns + 2 * round(letter * GUTTER))
    head = round(letter * _LEADING * (len(lines) + 0.35))
    foot = round(letter * (_LAST_BASE + _FOOT_STEP + 1.1))
    sheet = Sheet(width, head + rows + foot)
    left = (width - columns) // 2
    sheet.paste(copy.pixels, left, head)
    drawn = Framed(sheet, left, head, rows, columns, copy.scale, letter)
    _write_head(drawn, title, lines)
    _write_foot(drawn, basis)
    return drawn


def _write_head(drawn: Framed, title: str, lines: Sequence[HeadLine]) -> None:
    sheet, letter = drawn.sheet, drawn.letter
    width = sheet.width
    edge = letter * _MARGIN
    room = width - 2 * edge
    sheet.text(
        (width - edge, letter * 1.35),
        title,
        Letters(letter * SMALL, MUTED),
        align="right",
        width=room / 3,
    )
    for row, line in enumerate(lines):
        base = letter * (1.35 + row * _LEADING)
        sheet.mark((edge, base - letter * 0.74), line.category, letter * 0.72)
        x = edge + letter * 1.4
        x += sheet.text((x, base), line.subject, Letters(letter, bold=True), width=room * 0.3)
        sheet.text(
            (x + letter * 0.5, base),
            line.detail,
            Letters(letter, COLOURS[line.category]),
            width=room * 2 / 3 - x,
        )


def _write_foot(drawn: Framed, basis: Basis) -> None:
    sheet, letter = drawn.sheet, drawn.letter
    width, height = sheet.width, sheet.height
    edge, small = letter * _MARGIN, letter * SMALL
    model = basis.reading.model
    made = f"{model.name} {model.version} \u00b7 {basis.when:%Y-%m-%d %H:%M}"
    base = height - letter * _LAST_BASE
    sheet.text((edge, base), basis.say(BANNER), Letters(small, bold=True), width=width / 2 - edge)
    sheet.text(
        (width - edge, base), made, Letters(small, MUTED), align="right", width=width / 2 - edge
    )
