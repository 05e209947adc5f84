"""Drawing on a dark sheet: one typeface, five colours, and marks that do not rely on colour.

The typeface (DejaVu Sans, `fonts/`) comes with us, so that a picture looks alike on every machine;
it has all letters of the Latin languages.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from daemon.records import Category

Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
GROUND: Colour = (13, 15, 19)
PANEL: Colour = (23, 26, 32)
RULE: Colour = (52, 58, 68)
TEXT: Colour = (236, 239, 243)
MUTED: Colour = (152, 160, 172)
COLOURS: dict[Category, Colour] = {
    Category.POSITIVE: (255, 138, 76),
    Category.DOUBT: (246, 208, 84),
    Category.NEGATIVE: (128, 196, 232),
    Category.NOT_ANALYSED: (178, 184, 194),
}
"""Apart in lightness too, for readers who see fewer colours."""

_FONTS = Path(__file__).parent / "fonts"
_SIZE = 0.9
"""DejaVu's letters are tall: this share of the size that is asked for."""

_SMALLEST_PX = 9.0
_SHRINK = 0.96
_MARK_PEN = 8
_DOT_STEP = 3.2
_CASING = 1


@dataclass(frozen=True)
class Letters:
    """How text looks; `size` in pixels."""

    size: float
    colour: Colour = TEXT
    bold: bool = False


class Sheet:
    """A picture under construction; all measures in its pixels."""

    def __init__(self, width: int, height: int, ground: Colour = GROUND) -> None:
        self.image = Image.new("RGB", (width, height), ground)
        self._draw = ImageDraw.Draw(self.image)

    def pixels(self) -> NDArray[np.uint8]:
        """Return the picture, uint8 (height, width, 3)."""
        return np.asarray(self.image, dtype=np.uint8)

    def paste(self, picture: NDArray[np.uint8], left: int, top: int) -> None:
        """Lay a grey or RGB picture, uint8 (rows, columns[, 3]), onto the sheet as it is."""
        self.image.paste(Image.fromarray(picture), (left, top))

    def fill(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """Fill (left, top, right, bottom), its right and bottom edge excluded."""
        left, top, right, bottom = box
        self._draw.rectangle((left, top, right - 1, bottom - 1), fill=colour)

    def text(
        self,
        at: tuple[float, float],
        words: str,
        letters: Letters,
        *,
        align: Literal["left", "right", "middle"] = "left",
        width: float | None = None,
    ) -> float:
        """Write one line on a baseline and return the width it took.

        `width` is the most it may take: the letters get smaller until it fits.
        """
        size = letters.size
        while (
            width is not None
            and size > _SMALLEST_PX
            and length(words, size, bold=letters.bold) > width
        ):
            size *= _SHRINK
        anchor = {"left": "ls", "right": "rs", "middle": "ms"}[align]
        font = _font(size, letters.bold)
        self._draw.text(at, words, fill=letters.colour, font=font, anchor=anchor)
        return length(words, size, bold=letters.bold)

    def outline(self, box: tuple[float, float, float, float], category: Category, pen: int) -> None:
        """Draw the outline of a finding: solid is positive, dotted is doubt.

        A thin dark casing keeps it visible on bright bone.
        """
        left, top, right, bottom = (round(edge) for edge in box)
        colour = COLOURS[category]
        if category is Category.POSITIVE:
            casing = (left - _CASING, top - _CASING, right + _CASING, bottom + _CASING)
            self._draw.rectangle(casing, outline=BLACK, width=pen + 2 * _CASING)
            self._draw.rectangle((left, top, right, bottom), outline=colour, width=pen)
            return
        for x, y in _dots((left, top, right, bottom), pen * _DOT_STEP):
            reach = pen / 2 + _CASING
            self._draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=BLACK)
            reach = pen / 2
            self._draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)

    def mark(self, at: tuple[float, float], category: Category, size: float) -> None:
        """Draw a category's sign in a square: solid box, dotted box, bar, or cross."""
        left, top = at
        right, bottom = left + size, top + size
        pen = max(2, round(size / _MARK_PEN))
        colour = COLOURS[category]
        if category in (Category.POSITIVE, Category.DOUBT):
            self.outline((left, top, right, bottom), category, pen)
            return
        middle = (top + bottom) / 2
        if category is Category.NEGATIVE:
            self._draw.line((left, middle, right, middle), fill=colour, width=pen)
            return
        self._draw.line((left, top, right, bottom), fill=colour, width=pen)
        self._draw.line((left, bottom, right, top), fill=colour, width=pen)


def length(words: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a line of text is, pixels."""
    return float(_font(size, bold).getlength(words))


def wrapped(words: str, size: float, width: float) -> list[str]:
    """Break a text into lines that are not wider than `width`."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and length(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


@lru_cache(maxsize=64)
def _font(size: float, bold: bool) -> ImageFont.FreeTypeFont:
    file = _FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(file, size * _SIZE, layout_engine=ImageFont.Layout.BASIC)


def _dots(box: tuple[int, int, int, int], step: float) -> list[tuple[float, float]]:
    """Return points along a rectangle, evenly spaced on each side, corners included."""
    left, top, right, bottom = box
    across = np.linspace(left, right, max(2, round((right - left) / step) + 1))
    down = np.linspace(top, bottom, max(2, round((bottom - top) / step) + 1))
    return [(x, y) for x in across for y in (top, bottom)] + [
        (x, y) for y in down for x in (left, right)
    ]
