"""The summary of a study on one picture: outcome first, then every image with its findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
from PIL import Image

from daemon.records import Category, ImageReading
from daemon.results.document.instance import Basis
from daemon.results.language import Language
from daemon.results.picture.frame import plain_copy
from daemon.results.picture.sheet import (
    COLOURS,
    GROUND,
    MUTED,
    PANEL,
    RULE,
    Letters,
    Sheet,
    wrapped,
)
from daemon.results.wording import (
    BANNER,
    OUTLINES,
    display,
    image_label,
    impression,
    leading,
    note_words,
    outcome,
    score_text,
)

WIDTH, HEIGHT = 1600, 1120
_SIDE = 500
"""Width of the panel on the left, which holds what concerns the whole study."""

_EDGE = 44
_PANEL_LETTERS = 30
"""Longest value beside its name in the panel; the report has it whole."""
_BANNER = 64
_GAP = 28
_ROW = 30
_MOST_IMAGES = 6
_MOST_ROWS = 9
_MOST_LINES = 15
"""Of the outcome in words, above what made the result."""
_REDUCING_GAP = 1.1
"""Thumbnails of large images: average first to this many times their size; nobody sees it."""

_ORDER = (Category.POSITIVE, Category.DOUBT, Category.NEGATIVE, Category.NOT_ANALYSED)


@dataclass(frozen=True)
class _Cell:
    """The place of one image: (left, top) and size in pixels."""

    left: int
    top: int
    width: int
    height: int


def summary(basis: Basis) -> Sheet:
    """Draw the summary, HEIGHT by WIDTH."""
    sheet = Sheet(WIDTH, HEIGHT, GROUND)
    sheet.fill((0, 0, _SIDE, HEIGHT - _BANNER), PANEL)
    _write_outcome(sheet, basis)
    _write_origin(sheet, basis)
    shown = _shown(basis.reading.images)
    for cell, index in zip(_cells(len(shown)), shown, strict=True):
        title = image_label(basis.headers[index], index + 1, basis.say)
        _draw_image(sheet, cell, (basis.reading.images[index], title), basis)
    hidden = len(basis.reading.images) - len(shown)
    note = basis.say("{count} more images: see the report", count=hidden) if hidden else ""
    legend = basis.say(OUTLINES) if any(map(leading, basis.reading.images)) else ""
    _write_banner(sheet, basis.say(BANNER), (note, legend))
    return sheet


def _shown(images: Sequence[ImageReading]) -> list[int]:
    """Choose the images that fit on the sheet, the worst ones, in the study's order."""
    worst_first = sorted(
        range(len(images)), key=lambda index: (_ORDER.index(images[index].category), index)
    )
    return sorted(worst_first[:_MOST_IMAGES])


def _cells(count: int) -> list[_Cell]:
    across = {1: 1, 2: 2, 3: 3, 4: 2}.get(count, 3)
    down = -(-count // across)
    room_x, room_y = WIDTH - _SIDE - 2 * _EDGE, HEIGHT - _BANNER - 2 * _EDGE
    width = (room_x - (across - 1) * _GAP) // across
    height = (room_y - (down - 1) * _GAP) // down
    return [
        _Cell(
            _SIDE + _EDGE + (number % across) * (width + _GAP),
            _EDGE + (number // across) * (height + _GAP),
            width,
            height,
        )
        for number in range(count)
    ]


def _write_outcome(sheet: Sheet, basis: Basis) -> None:
    category = basis.reading.category
    room = _SIDE - 2 * _EDGE
    sheet.text((_EDGE, _EDGE + 20), basis.say("AI RESULT"), Letters(20, MUTED))
    sheet.mark((_EDGE, _EDGE + 62), category, 44)
    word = outcome(category, basis.say)
    letters = Letters(58, COLOURS[category], bold=True)
    sheet.text((_EDGE + 66, _EDGE + 104), word, letters, width=room - 66)
    base = _EDGE + 166
    for line in _fitting(wrapped(impression(basis.reading, basis.say), 25, room), basis.say):
        sheet.text((_EDGE, base), line, Letters(25), width=room)
        base += 36


def _fitting(lines: Sequence[str], say: Language) -> Sequence[str]:
    """Return the lines that there is room for; the last one says where the others are."""
    if len(lines) <= _MOST_LINES:
        return lines
    return [*lines[: _MOST_LINES - 1], f"... {say('see the report')}"]


def _write_origin(sheet: Sheet, basis: Basis) -> None:
    """Write what made the result, from the bottom of the panel upwards."""
    model = basis.reading.model
    said = [
        ("Model", f"{model.name} {model.version}"),
        ("Build", model.digest[:16]),
        ("Calibration", shorten(model.calibration, _PANEL_LETTERS, placeholder=" ...")),
        ("Ran on", model.provider.removesuffix("ExecutionProvider")),
        ("Read", f"{basis.when:%Y-%m-%d %H:%M}"),
        *_operating_points(basis.reading.images, basis.say),
    ]
    room = _SIDE - 2 * _EDGE
    base = HEIGHT - _BANNER - _EDGE - (len(said) - 1) * _ROW
    sheet.fill((_EDGE, base - 44, _SIDE - _EDGE, base - 42), RULE)
    for name, value in said:
        taken = sheet.text((_EDGE, base), basis.say(name), Letters(18, MUTED))
        at = (_SIDE - _EDGE, base)
        sheet.text(at, value, Letters(18), align="right", width=room - taken - 12)
        base += _ROW


def _operating_points(images: Sequence[ImageReading], say: Language) -> list[tuple[str, str]]:
    """Return the operating points where they are the same for all findings, else where to look."""
    points = {
        (score.high_sensitivity, score.high_specificity)
        for image in images
        for score in image.scores
    }
    if not points:
        return []
    if len(points) > 1:
        return [("Doubt, positive from", say("see the report"))]
    low, high = points.pop()
    return [("Doubt from", f"{low:.3f}"), ("Positive from", f"{high:.3f}")]


def _draw_image(sheet: Sheet, cell: _Cell, titled: tuple[ImageReading, str], basis: Basis) -> None:
    image, title = titled
    rows = (min(len(image.scores), _MOST_ROWS) or 1) + len(image.notes)
    text_height = 42 + rows * _ROW
    height = cell.height - text_height
    _draw_thumbnail(sheet, _Cell(cell.left, cell.top, cell.width, height), image, basis)
    base = cell.top + height + 28
    sheet.text((cell.left, base), title, Letters(20, bold=True), width=cell.width)
    for note in image.notes:
        base += _ROW
        words = note_words(note, basis.say)
        sheet.text((cell.left, base), words, Letters(18, MUTED), width=cell.width)
    sheet.fill((cell.left, base + 11, cell.left + cell.width, base + 12), RULE)
    _write_scores(sheet, _Cell(cell.left, base + 12 + _ROW, cell.width, 0), image, basis.say)


def _write_scores(sheet: Sheet, cell: _Cell, image: ImageReading, say: Language) -> None:
    base, right = cell.top - 6, cell.left + cell.width
    if not image.scores:
        words = f"{say(image.category.value)}: {say(image.reason or '')}"
        sheet.mark((cell.left, base - 13), image.category, 13)
        sheet.text(
            (cell.left + 24, base),
            words,
            Letters(18, COLOURS[image.category]),
            width=cell.width - 24,
        )
    worst_first = sorted(image.scores, key=lambda score: _ORDER.index(score.category))
    for score in worst_first[:_MOST_ROWS]:
        colour = COLOURS[score.category]
        sheet.mark((cell.left, base - 13), score.category, 13)
        name = display(score.finding, say)
        sheet.text((cell.left + 24, base), name, Letters(18), width=cell.width * 0.5 - 24)
        sheet.text((right, base), score_text(score), Letters(18, MUTED), align="right")
        word = say(score.category.value)
        sheet.text((right - 60, base), word, Letters(18, colour), align="right")
        base += _ROW


def _draw_thumbnail(sheet: Sheet, cell: _Cell, image: ImageReading, basis: Basis) -> None:
    sheet.fill((cell.left, cell.top, cell.left + cell.width, cell.top + cell.height), (0, 0, 0))
    if image.radiograph is None:
        size = min(cell.width, cell.height) / 9
        middle = (cell.left + cell.width / 2 - size / 2, cell.top + cell.height / 2 - size / 2)
        sheet.mark(middle, Category.NOT_ANALYSED, size)
        return
    copy = plain_copy(image)
    rows, columns = copy.pixels.shape
    row_mm, column_mm = image.radiograph.spacing_mm or (image.radiograph.aspect, 1.0)
    fit = min(cell.width / (columns * column_mm), cell.height / (rows * row_mm))
    wide, high = max(1, int(columns * column_mm * fit)), max(1, int(rows * row_mm * fit))
    left, top = cell.left + (cell.width - wide) // 2, cell.top + (cell.height - high) // 2
    resized = Image.fromarray(copy.pixels).resize(
        (wide, high), resample=Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP
    )
    sheet.paste(np.asarray(resized), left, top)
    across, down = copy.scale * wide / columns, copy.scale * high / rows
    for score, box in reversed(basis.outlined(image)):
        if box is not None:
            edges = (box.left * across, box.top * down, box.right * across, box.bottom * down)
            moved = (left + edges[0], top + edges[1], left + edges[2] - 1, top + edges[3] - 1)
            sheet.outline(moved, score.category, 3)


def _write_banner(sheet: Sheet, banner: str, notes: Sequence[str]) -> None:
    top = HEIGHT - _BANNER
    sheet.fill((0, top, WIDTH, HEIGHT), (0, 0, 0))
    sheet.fill((0, top, WIDTH, top + 2), RULE)
    sheet.text((_EDGE, top + 41), banner, Letters(24, bold=True))
    words = " \u00b7 ".join(filter(None, notes))
    sheet.text(
        (WIDTH - _EDGE, top + 40), words, Letters(20, MUTED), align="right", width=WIDTH * 0.6
    )
