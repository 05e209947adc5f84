"""Drawing on a dark sheet: one typeface, five colours, and marks that do not rely on colour.

The typeface (DejaVu Sans, `fonts/`) comes with us, so that a picture looks alike on every machine;
it has all letters of the Latin languages.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from daemon.records import Category
from daemon.results.picture.pixel_data import PixelBytes

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

_CHANNELS = 3
_FONTS = Path(__file__).parent / "fonts"
_SIZE = 0.9
"""DejaVu's letters are tall: this share of the size that is asked for."""

_SMALLEST_PX = 9.0
_SHRINK = 0.96
_MARK_PEN = 8
_DOT_STEP = 3.2
_CASING = 1
_ANCHORS = {"left": "ls", "right": "rs", "middle": "ms"}


@dataclass(frozen=True)
class Letters:
    """How text looks; `size` in pixels."""

    size: float
    colour: Colour = TEXT
    bold: bool = False


class Sheet:
    """A picture under construction; all measures in its pixels.

    Pillow draws on small pieces of it, so that a large picture costs one pass over its pixels and
    no copies.
    """

    def __init__(self, width: int, height: int, ground: Colour = BLACK) -> None:
        self.width, self.height = width, height
        size = width * height * _CHANNELS
        self._data = np.zeros(size + size % 2, np.uint8)
        self._pixels = self._data[:size].reshape(height, width, _CHANNELS)
        if ground != BLACK:
            self.fill((0, 0, width, height), ground)

    def pixels(self) -> NDArray[np.uint8]:
        """Return the picture as it is now, uint8 (height, width, 3); not to be written to."""
        view = self._pixels.view()
        view.setflags(write=False)
        return view

    def finish(self) -> PixelBytes:
        """Return the picture's bytes, row by row, of even length (PS3.5 8.2); drawing ends."""
        self._pixels.setflags(write=False)
        return PixelBytes(self._data)

    def area(self, left: int, top: int, columns: int, rows: int) -> NDArray[np.uint8]:
        """Return a part of the picture to write into, uint8 (rows, columns, 3)."""
        return self._pixels[top : top + rows, left : left + columns]

    def paste(self, picture: NDArray[np.uint8], left: int, top: int) -> None:
        """Lay a grey or RGB picture, uint8 (rows, columns[, 3]), onto the sheet as it is."""
        rows, columns = picture.shape[:2]
        place = self.area(left, top, columns, rows)
        shown = np.broadcast_to(np.atleast_3d(picture), place.shape)
        for channel in range(_CHANNELS):  # faster than all three at once
            place[:, :, channel] = shown[:, :, channel]

    def fill(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """Fill (left, top, right, bottom), its right and bottom edge excluded."""
        left, top, right, bottom = (max(0, int(edge)) for edge in box)
        part = self._pixels[top:bottom, left:right]
        part[:1] = colour
        part[1:] = part[:1]  # whole rows are copied faster than pixels are set

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
        x, y = math.floor(at[0]), math.floor(at[1])
        mask, right, down = _written(words, size, letters.bold, align, (at[0] - x, at[1] - y))
        left, top = x + right, y + down
        with self._lent((left, top, left + mask.width, top + mask.height)) as (lent, origin):
            lent.paste(letters.colour, (left - origin[0], top - origin[1]), mask)
        return length(words, size, bold=letters.bold)

    def outline(self, box: tuple[float, float, float, float], category: Category, pen: int) -> None:
        """Draw the outline of a finding: solid is positive, dotted is doubt.

        A thin dark casing keeps it visible on bright bone.
        """
        left, top, right, bottom = (round(edge) for edge in box)
        colour = COLOURS[category]
        if category is Category.POSITIVE:
            around = (left - _CASING, top - _CASING, right + _CASING, bottom + _CASING)
            self._frame(around, BLACK, pen + 2 * _CASING)
            self._frame((left, top, right, bottom), colour, pen)
            return
        for side in _dots((left, top, right, bottom), pen * _DOT_STEP):
            (first_x, first_y), (last_x, last_y) = side[0], side[-1]
            with self._drawn((first_x, first_y, last_x, last_y), reach=pen) as (draw, moved):
                for dot in side:
                    for reach, filling in ((pen / 2 + _CASING, BLACK), (pen / 2, colour)):
                        x, y = moved(*dot)
                        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=filling)

    def mark(self, at: tuple[float, float], category: Category, size: float) -> None:
        """Draw a category's sign in a square: solid box, dotted box, bar, or cross."""
        left, top = at
        right, bottom = left + size, top + size
        pen = max(2, round(size / _MARK_PEN))
        if category in (Category.POSITIVE, Category.DOUBT):
            self.outline((left, top, right, bottom), category, pen)
            return
        middle = (top + bottom) / 2
        lines = [(left, top, right, bottom), (left, bottom, right, top)]
        if category is Category.NEGATIVE:
            lines = [(left, middle, right, middle)]
        with self._drawn((left, top, right, bottom), reach=pen) as (draw, moved):
            for x0, y0, x1, y1 in lines:
                draw.line((*moved(x0, y0), *moved(x1, y1)), fill=COLOURS[category], width=pen)

    def _frame(self, box: tuple[int, int, int, int], colour: Colour, pen: int) -> None:
        """Draw a rectangle's edges, `pen` wide and within it; all four edges belong to it."""
        left, top, right, bottom = box[0], box[1], box[2] + 1, box[3] + 1
        self.fill((left, top, right, top + pen), colour)
        self.fill((left, bottom - pen, right, bottom), colour)
        self.fill((left, top, left + pen, bottom), colour)
        self.fill((right - pen, top, right, bottom), colour)

    @contextmanager
    def _drawn(
        self, box: tuple[float, float, float, float], reach: int = 1
    ) -> Iterator[tuple[ImageDraw.ImageDraw, Callable[[float, float], tuple[float, float]]]]:
        """Lend Pillow the part of the sheet around a box to draw on, and how a point moves."""
        around = (box[0] - reach - 1, box[1] - reach - 1, box[2] + reach + 2, box[3] + reach + 2)
        with self._lent(around) as (lent, (left, top)):
            yield ImageDraw.Draw(lent), lambda x, y: (x - left, y - top)

    @contextmanager
    def _lent(
        self, box: tuple[float, float, float, float]
    ) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
        """Lend Pillow a part of the sheet, and where its first pixel lies."""
        left, top = (max(0, math.floor(edge)) for edge in box[:2])
        columns = min(self.width, math.ceil(box[2])) - left
        rows = min(self.height, math.ceil(box[3])) - top
        if columns <= 0 or rows <= 0:
            yield Image.new("RGB", (1, 1)), (left, top)
            return
        part = self.area(left, top, columns, rows)
        lent = Image.fromarray(part)
        yield lent, (left, top)
        part[:] = np.asarray(lent)


@lru_cache(maxsize=4096)
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


@lru_cache(maxsize=256)
def _written(
    words: str, size: float, bold: bool, align: str, fraction: tuple[float, float]
) -> tuple[Image.Image, int, int]:
    """Return a line's coverage, kept because most lines return with every study, and its place.

    `fraction` is where between pixels the line begins; the place is that of the first pixel,
    counted from the pixel in which it begins.
    """
    font, anchor = _font(size, bold), _ANCHORS[align]
    left, top, right, bottom = font.getbbox(words, anchor=anchor)
    left, top = math.floor(left) - 1, math.floor(top) - 1
    mask = Image.new("L", (math.ceil(right) + 2 - left, math.ceil(bottom) + 2 - top))
    at = (fraction[0] - left, fraction[1] - top)
    ImageDraw.Draw(mask).text(at, words, fill=255, font=font, anchor=anchor)
    return mask, left, top


def _dots(box: tuple[int, int, int, int], step: float) -> list[list[tuple[float, float]]]:
    """Return points along each side of a rectangle, evenly spaced, corners included."""
    left, top, right, bottom = box
    across = np.linspace(left, right, max(2, round((right - left) / step) + 1))
    down = np.linspace(top, bottom, max(2, round((bottom - top) / step) + 1))
    return [[(x, y) for x in across] for y in (top, bottom)] + [
        [(x, y) for y in down] for x in (left, right)
    ]
