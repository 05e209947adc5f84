"""The heat map: where on the image the network's evidence for one finding lies (Grad-CAM).

R. Selvaraju et al., Grad-CAM, ICCV 2017. Shown for findings that are not negative only, and only
where there is evidence to show: a picture of nothing would look like a statement.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.records import FindingScore, ImageReading, StudyReading
from daemon.results.document.instance import Basis
from daemon.results.language import Language
from daemon.results.picture.colour_map import colours
from daemon.results.picture.frame import SMALL, Framed, HeadLine, framed, plain_copy
from daemon.results.picture.sheet import MUTED, Letters
from daemon.results.region import evidence_on_source
from daemon.results.wording import display, leading, score_text

MOST_OPAQUE = 0.4
_FINE = 768
"""Longer side of the grid that colours are computed on, cells; finer ones look the same."""

_GRID = 192
"""Longer side of the grid that is enough to tell whether there is evidence, cells."""

_STEP, _GREYS, _BLOCK = 255, 256, 64
"""Evidence is told apart in so many steps; rows that are coloured at a time."""

_CHANNELS, _BYTES = 3, 4
"""Of a colour, and of its place in the table."""

_OPAQUE_FROM = 0.6
"""Evidence from this share of its maximum on is drawn with full opacity, below it fades out."""


def heat_map(image: ImageReading, score: FindingScore, title: str, basis: Basis) -> Framed | None:
    """Lay the evidence for a finding over a copy of the image; None without usable evidence."""
    evidence = evidence_on_source(image, score.finding, _FINE)
    if evidence is None:
        return None
    text = "{category}, score {score}"
    detail = basis.say(text, category=basis.say(score.category.value), score=score_text(score))
    line = HeadLine(score.category, display(score.finding, basis.say), detail)
    copy = plain_copy(image).reduced
    drawn = framed(copy, title, [line], basis)
    lay_over(drawn.image_area(), copy.pixels, evidence)
    drawn.spare_markers(copy)
    _add_legend(drawn, score, basis.say)
    return drawn


def degenerate_maps(reading: StudyReading) -> int:
    """Count the findings that are not negative but have no usable evidence to draw."""
    return sum(
        evidence_on_source(image, score.finding, _GRID) is None
        for image in reading.images
        for score in leading(image)
    )


def lay_over(
    place: NDArray[np.uint8], grey: NDArray[np.uint8], evidence: NDArray[np.float32]
) -> None:
    """Colour a grey picture by the evidence on it.

    Parameters
    ----------
    place : uint8 array, shape (rows, columns, 3)
        Where the grey picture was drawn; changed only where there is evidence.
    grey : uint8 array, shape (rows, columns)
    evidence : float32 array, any grid over the picture, in [0, 1]
    """
    coarse = Image.fromarray(np.rint(evidence * _STEP).astype(np.uint8))
    covered = coarse.getbbox()
    if covered is None:
        return
    rows, columns = grey.shape  # only the covered part is brought to the picture's size
    across, down = columns / coarse.width, rows / coarse.height
    left, top = int(covered[0] * across), int(covered[1] * down)
    right, bottom = math.ceil(covered[2] * across), math.ceil(covered[3] * down)
    fine = np.asarray(
        coarse.resize(
            (right - left, bottom - top),
            resample=Image.Resampling.BILINEAR,
            box=(left / across, top / down, right / across, bottom / down),
        )
    )
    table = blended()
    for row in range(0, bottom - top, _BLOCK):
        block = fine[row : row + _BLOCK]
        part = (slice(top + row, top + row + len(block)), slice(left, right))
        index = block.astype(np.uint16)
        index *= _GREYS
        index += grey[part]
        mixed = table.take(index).view(np.uint8).reshape(*index.shape, _BYTES)
        for channel in range(_CHANNELS):
            place[(*part, channel)] = mixed[:, :, channel]


@lru_cache(maxsize=1)
def blended() -> NDArray[np.uint32]:
    """Return the colour of every grey value under every evidence, uint32 (256 * 256).

    The bytes of a value are red, green, blue and nothing.
    """
    evidence = np.linspace(0.0, 1.0, _STEP + 1, dtype=np.float32)
    opacity = np.float32(MOST_OPAQUE) * np.clip(evidence / np.float32(_OPAQUE_FROM), 0.0, 1.0)
    opacity = opacity[:, None, None]
    grey = np.arange(_GREYS, dtype=np.float32)[None, :, None]
    mixed = grey * (1 - opacity) + colours(evidence)[:, None, :] * opacity
    table = np.zeros((_GREYS * _GREYS, _BYTES), np.uint8)
    table[:, :_CHANNELS] = np.rint(mixed).reshape(-1, _CHANNELS)
    return table.view(np.uint32).ravel()


def _add_legend(drawn: Framed, score: FindingScore, say: Language) -> None:
    """Show the colours' order, outside the image."""
    name = say.noun(display(score.finding))
    x = drawn.explain(say("Grad-CAM evidence for {name}:  low", name=name))
    gap, high = drawn.letter / 3, max(1, round(drawn.letter / 2))
    ramp = colours(np.linspace(0.0, 1.0, round(drawn.letter * 7), dtype=np.float32))
    bar = np.repeat(np.rint(ramp).astype(np.uint8)[None], high, axis=0)
    drawn.sheet.paste(bar, round(x + gap), round(drawn.explained_at) - high)
    end = (x + 2 * gap + bar.shape[1], drawn.explained_at)
    drawn.sheet.text(end, say("high"), Letters(drawn.letter * SMALL, MUTED))
