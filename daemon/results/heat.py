"""The heat map: where on the image the network's evidence for one finding lies (Grad-CAM).

R. Selvaraju et al., Grad-CAM, ICCV 2017. Shown for findings that are not negative only, and only
where there is evidence to show: a picture of nothing would look like a statement.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.records import FindingScore, ImageReading, StudyReading
from daemon.results.colour_map import colours
from daemon.results.frame import SMALL, Framed, Line, framed, plain_copy
from daemon.results.instance import Basis
from daemon.results.language import Language
from daemon.results.region import evidence_on_source
from daemon.results.sheet import MUTED, Letters
from daemon.results.wording import display, leading, score_text

MOST_OPAQUE = 0.4
_FINE = 768
"""Longer side of the grid that colours are computed on, cells; finer ones look the same."""

_GRID = 192
"""Longer side of the grid that is enough to tell whether there is evidence, cells."""

_OPAQUE_FROM = 0.6
"""Evidence from this share of its maximum on is drawn with full opacity, below it fades out."""


def heat_map(image: ImageReading, score: FindingScore, title: str, basis: Basis) -> Framed | None:
    """Lay the evidence for a finding over a copy of the image; None without usable evidence."""
    picture, scale = plain_copy(image)
    evidence = evidence_on_source(image, score.finding, _FINE)
    if evidence is None:
        return None
    text = "{category}, score {score}"
    detail = basis.say(text, category=basis.say(score.category.value), score=score_text(score))
    line = Line(score.category, display(score.finding, basis.say), detail)
    blended = blend(picture, evidence)
    drawn = framed((blended, scale), title, [line], basis)
    _add_legend(drawn, score, basis.say)
    return drawn


def degenerate_maps(reading: StudyReading) -> int:
    """Count the findings that are not negative but have no usable evidence to draw."""
    return sum(
        evidence_on_source(image, score.finding, _GRID) is None
        for image in reading.images
        for score in leading(image)
    )


def blend(picture: NDArray[np.uint8], evidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour a grey picture, uint8 (rows, columns), by evidence in [0, 1] on a grid over it."""
    opacity = MOST_OPAQUE * np.clip(evidence / _OPAQUE_FROM, 0.0, 1.0)
    mask = Image.fromarray(np.rint(opacity * 255.0).astype(np.uint8))
    colour = Image.fromarray(np.rint(colours(evidence)).astype(np.uint8))
    blended = Image.fromarray(picture).convert("RGB")
    covered = mask.getbbox()
    if covered is not None:  # only there the grid is brought to the picture's size
        across, down = blended.width / mask.width, blended.height / mask.height
        left, top = int(covered[0] * across), int(covered[1] * down)
        right, bottom = math.ceil(covered[2] * across), math.ceil(covered[3] * down)
        size = (right - left, bottom - top)
        box = (left / across, top / down, right / across, bottom / down)
        bilinear = Image.Resampling.BILINEAR
        shown = [one.resize(size, resample=bilinear, box=box) for one in (colour, mask)]
        blended.paste(shown[0], (left, top), shown[1])
    return np.asarray(blended)


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
