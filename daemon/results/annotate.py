"""The annotated copy of an image: solid outline is positive, dotted is doubt, words outside.

Where several findings are outlined, each outline bears the number of its line in the head.
"""

from daemon.records import Category, FindingScore, ImageReading
from daemon.results.frame import Framed, Line, framed, plain_copy
from daemon.results.instance import Basis
from daemon.results.language import Language
from daemon.results.region import Box, region_of
from daemon.results.sheet import BLACK, COLOURS, Letters
from daemon.results.wording import OUTLINES, display, leading

_PEN = 1 / 360
"""Width of an outline, as a share of the image's longer side."""

_THINNEST = 3
_TAG = 0.8
"""Size of an outline's number, as a share of the letters of the head."""

_NOT_LOCATED = "not every finding could be located on the image"


def annotated_copy(image: ImageReading, title: str, basis: Basis) -> Framed:
    """Draw the findings of an analysed image on a copy of it."""
    found = leading(image)
    drawn = framed(plain_copy(image), title, head_lines(image, basis.say), basis)
    boxes = [(score, region_of(image, score.finding)) for score in found]
    pen = max(_THINNEST, round(max(drawn.rows, drawn.columns) * _PEN))
    for number, (score, box) in reversed(list(enumerate(boxes, start=1))):
        if box is not None:
            edges = _edges(drawn, box, pen)
            drawn.sheet.outline(edges, score.category, pen)
            if len(found) > 1:
                _tag(drawn, edges, str(number), score)
    if found:
        located = all(box is not None for _score, box in boxes)
        words = (OUTLINES,) if located else (OUTLINES, _NOT_LOCATED)
        drawn.explain(" \u00b7 ".join(map(basis.say, words)))
    return drawn


def head_lines(image: ImageReading, say: Language) -> list[Line]:
    """Return one line for each finding that is not negative, or one that says that all are."""
    found = leading(image)
    if not found:
        names = ", ".join(say.noun(display(score.finding)) for score in image.scores)
        detail = say("negative for {names}", names=names)
        return [Line(Category.NEGATIVE, say("No finding"), detail)]
    return [
        Line(
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


def _tag(
    drawn: Framed, edges: tuple[float, float, float, float], number: str, score: FindingScore
) -> None:
    """Write an outline's number on a dark ground above its corner, or below it at the top edge."""
    size = drawn.letter * _TAG
    left, top, _right, bottom = edges
    above = top - size * 1.2
    ground = above if above >= drawn.top else min(bottom + 2, drawn.top + drawn.rows - size)
    drawn.sheet.fill((left, ground, left + size * 0.9, ground + size), BLACK)
    letters = Letters(size * 0.9, COLOURS[score.category], bold=True)
    drawn.sheet.text((left + size * 0.45, ground + size * 0.84), number, letters, align="middle")
