"""The annotated copy of an image: solid outline is positive, dotted is doubt, words outside.

Where several findings are outlined, a thin line leads from each outline to a number beside the
image: that of the finding's line in the head.
"""

from collections.abc import Sequence

import numpy as np

from daemon.records import Category, FindingScore, ImageReading
from daemon.results.document.instance import Basis
from daemon.results.language import Language
from daemon.results.picture.frame import GUTTER, Framed, HeadLine, framed, plain_copy
from daemon.results.picture.sheet import COLOURS, Letters
from daemon.results.region import Box
from daemon.results.wording import OUTLINES, display, leading

_PEN = 1 / 360
"""Width of an outline, as a share of the image's longer side."""

_THINNEST = 3
_NUMBER = 0.9
"""Size of an outline's number, as a share of the letters of the head."""

_TRIES = 5
_LEADER = 24
"""Places for a number beside its outline; its size over half the width of its line."""

_NOT_LOCATED = "not every finding could be located on the image"


def annotated_copy(image: ImageReading, title: str, basis: Basis) -> Framed:
    """Draw the findings of an analysed image on a copy of it."""
    found = leading(image)
    several = len(found) > 1
    lines = head_lines(image, basis.say)
    copy = plain_copy(image)
    drawn = framed(copy, title, lines, basis, gutters=several)
    boxes = basis.outlined(image)
    pen = max(_THINNEST, round(max(drawn.rows, drawn.columns) * _PEN))
    heights: list[float] = []
    for number, (score, box) in enumerate(boxes, start=1):
        if box is not None and several:
            heights.append(_number(drawn, _edges(drawn, box, pen), (number, score), heights))
    for score, box in reversed(boxes):
        if box is not None:
            drawn.sheet.outline(_edges(drawn, box, pen), score.category, pen)
    if found:
        drawn.spare_markers(copy)
        located = all(box is not None for _score, box in boxes)
        words = (OUTLINES,) if located else (OUTLINES, _NOT_LOCATED)
        drawn.explain(" \u00b7 ".join(map(basis.say, words)))
    return drawn


def head_lines(image: ImageReading, say: Language) -> list[HeadLine]:
    """Return one line for each finding that is not negative; else one line: all are negative."""
    found = leading(image)
    if not found:
        names = ", ".join(say.noun(display(score.finding)) for score in image.scores)
        detail = say("negative for {names}", names=names)
        return [HeadLine(Category.NEGATIVE, say("No finding"), detail)]
    return [
        HeadLine(
            score.category,
            (f"{number}  " if len(found) > 1 else "") + display(score.finding, say),
            say(score.category.value),
        )
        for number, score in enumerate(found, start=1)
    ]


def _edges(drawn: Framed, box: Box, pen: int) -> tuple[float, float, float, float]:
    """Return a box on the sheet, one pen's width larger, but inside the image."""
    scale = drawn.scale
    return (
        max(drawn.left, drawn.left + box.left * scale - pen),
        max(drawn.top, drawn.top + box.top * scale - pen),
        min(drawn.left + drawn.columns - 1, drawn.left + box.right * scale + pen),
        min(drawn.top + drawn.rows - 1, drawn.top + box.bottom * scale + pen),
    )


def _number(
    drawn: Framed,
    edges: tuple[float, float, float, float],
    numbered: tuple[int, FindingScore],
    taken: Sequence[float],
) -> float:
    """Write an outline's number on the nearer side of the image; return how high it stands."""
    number, score = numbered
    left, top, right, bottom = edges
    size, colour = drawn.letter * _NUMBER, COLOURS[score.category]
    heights = np.linspace(0.5, 1.0, _TRIES) * (bottom - top) + top
    free = (one for one in heights if all(abs(one - other) > size for other in taken))
    height = float(next(free, heights[-1]))
    pen, reach = max(1, round(size / _LEADER)), size * 0.2
    if left + right < 2 * drawn.left + drawn.columns:
        line, x = (drawn.left - reach, left), drawn.left - drawn.letter * GUTTER / 2
    else:
        edge = drawn.left + drawn.columns
        line, x = (right, edge + reach), edge + drawn.letter * GUTTER / 2
    drawn.sheet.fill((line[0], height - pen, line[1], height + pen), colour)
    at = (x, height + size * 0.36)
    drawn.sheet.text(at, str(number), Letters(size, colour, bold=True), align="middle")
    return height
