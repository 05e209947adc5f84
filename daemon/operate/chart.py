"""Line charts as a PNG, drawn with Pillow: readable, and no plotting library in the daemon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_PANEL = (520, 360)
_MARGIN = 60
_TITLE = 40
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Okabe and Ito: told apart by colour-blind people too."""
_INK, _GRID = "#202020", "#d8d8d8"
_STEPS = 4


@dataclass(frozen=True)
class Curve:
    """A named line through points; `x` ascends."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def draw(file: Path, title: str, panels: Mapping[str, Sequence[Curve]]) -> None:
    """Draw panels beside each other, each from zero; the axis below has a tick for each point.

    Parameters
    ----------
    file : Path
        Gets a PNG.
    title : str
    panels : mapping
        Lines by the name of their vertical axis.
    """
    width, height = _PANEL
    image = Image.new("RGB", (width * len(panels), height + _TITLE), "white")
    canvas = ImageDraw.Draw(image)
    canvas.text((_MARGIN, 14), title, fill=_INK, font=ImageFont.load_default(15))
    for number, (axis, lines) in enumerate(panels.items()):
        _panel(canvas, (number * width, _TITLE), axis, lines)
    image.save(file, format="PNG")


def _panel(
    canvas: ImageDraw.ImageDraw, corner: tuple[int, int], axis: str, lines: Sequence[Curve]
) -> None:
    left, top = corner[0] + _MARGIN, corner[1] + _MARGIN // 2
    right, bottom = corner[0] + _PANEL[0] - _MARGIN // 2, corner[1] + _PANEL[1] - _MARGIN
    ticks = sorted({x for line in lines for x in line.x})
    most = max((y for line in lines for y in line.y), default=1.0) * 1.1 or 1.0
    font = ImageFont.load_default(12)

    def place(x: float, y: float) -> tuple[float, float]:
        """Batches lie evenly, whatever their size: they double."""
        share = (ticks.index(x) + 0.5) / len(ticks)
        return left + share * (right - left), bottom - y / most * (bottom - top)

    for step in range(_STEPS + 1):
        value = most * step / _STEPS
        height = bottom - (bottom - top) * step / _STEPS
        canvas.line([(left, height), (right, height)], fill=_GRID)
        canvas.text((left - 6, height), f"{value:.3g}", fill=_INK, font=font, anchor="rm")
    for x in ticks:
        canvas.text((place(x, 0.0)[0], bottom + 8), f"{x:g}", fill=_INK, font=font, anchor="mt")
    canvas.text(((left + right) / 2, bottom + 26), "batch", fill=_INK, font=font, anchor="mt")
    canvas.text((left, top - 6), axis, fill=_INK, font=font, anchor="lb")
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [place(x, y) for x, y in zip(line.x, line.y, strict=True)]
        canvas.line(points, fill=colour, width=3)
        for x, y in points:
            canvas.ellipse([x - 4, y - 4, x + 4, y + 4], fill=colour)
        where = (right - 8, top + 16 * number)
        canvas.text(where, line.name, fill=colour, font=font, anchor="rt")
