"""Figures and small pictures as data URIs, which a page holds without any file beside it.

Curves are SVG, films JPEG. Texts are drawn as they stand: a label with a dollar sign is no formula.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.judging.metrics import BandedCurve, ReliabilityBin

Series = Mapping[str, Sequence[Sequence[float]]]
"""(pass, value) pairs by name."""

OURS, OTHERS, GREY = "#0072b2", "#d55e00", "#666666"
"""Positive and other films: blue and orange, told apart by people who see no red, and in print."""
_STYLE: dict[Any, Any] = {"text.parse_math": False, "svg.hashsalt": "wristd", "font.size": 9}
_SIDE = 256
_QUALITY = 85
_TRUE, _FOUND = (0, 190, 255), (255, 140, 0)
_HALF = 0.5
_TINY = 1e-12


def roc_figure(curve: BandedCurve, marks: Mapping[str, tuple[float, float]]) -> str:
    """Draw sensitivity over 1 - specificity, with operating points (x, y) by name."""

    def paint(axis: Axes) -> None:
        axis.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
        _band(axis, curve)
        _marks(axis, marks)
        axis.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC")

    return _svg(paint)


def precision_recall_figure(
    curve: BandedCurve, share: float, marks: Mapping[str, tuple[float, float]]
) -> str:
    """Draw precision over recall; a dotted line is chance, the share of positive films."""

    def paint(axis: Axes) -> None:
        axis.axhline(share, color=GREY, linestyle=":", linewidth=1)
        _band(axis, curve, drawstyle="steps-pre")
        _marks(axis, marks)
        axis.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", title="Precision, recall")

    return _svg(paint)


def reliability_figure(bins: Sequence[ReliabilityBin]) -> str:
    """Draw the positive share over the mean score of each bin, with interval and films."""

    def paint(axis: Axes) -> None:
        axis.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
        for part in bins:
            value, lower, upper = part.observed
            if np.isfinite(lower):
                axis.plot([part.stated] * 2, [lower, upper], color=OURS, linewidth=1)
            axis.plot(part.stated, value, "o", color=OURS, markersize=4)
            axis.annotate(str(part.films), (part.stated, value), (4, 3), textcoords="offset points")
        axis.set(xlim=(-0.02, 1.08), ylim=(-0.02, 1.08))
        axis.set(xlabel="mean score", ylabel="positive share", title="Reliability (films per bin)")

    return _svg(paint, width=4.6)


def histogram_figure(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], points: Mapping[str, float]
) -> str:
    """Draw how scores are spread over positive and other films, and where the points lie."""

    def paint(axis: Axes) -> None:
        edges = np.linspace(0, 1, 21).tolist()
        for part, name, colour, style in (
            (scores[~positive], "without", OTHERS, "--"),
            (scores[positive], "with", OURS, "-"),
        ):
            if len(part):
                shares = np.full(len(part), 1 / len(part))
                label = f"{name} ({len(part)})"
                axis.hist(part, edges, weights=shares, histtype="step", color=colour,
                          linestyle=style, linewidth=1.5, label=label)  # fmt: skip
        for name, threshold in points.items():
            axis.axvline(
                threshold, color="black", linestyle=_line_of(name), linewidth=1, label=name
            )
        axis.set_ylim(top=1.5 * axis.get_ylim()[1])
        axis.legend(fontsize=7, loc="upper center")
        axis.set(xlabel="score", ylabel="share of the films", title="Scores by truth")

    return _svg(paint)


def confusion_figure(matrix: NDArray[np.float64], names: Sequence[str]) -> str:
    """Draw counts, rows actual, columns predicted, with the accuracy as title."""
    side = max(4.2, 0.9 * len(names) + 1)
    return _svg(lambda axis: paint_confusion(axis, matrix, names), width=side, height=side)


def history_figure(history: Series) -> str:
    """Draw each series in a panel of its own; there must be one."""
    paints = [
        partial(paint_series, name=name, pairs=pairs) for name, pairs in history.items() if pairs
    ]
    return _svg(*paints, width=3.4 * len(paints))


def paint_series(axis: Axes, name: str, pairs: Sequence[Sequence[float]]) -> None:
    """Draw one series of (pass, value) pairs."""
    axis.plot([step for step, _ in pairs], [value for _, value in pairs])
    axis.set(title=name, xlabel="passes")
    axis.grid(alpha=0.3)


def paint_confusion(axis: Axes, matrix: NDArray[np.float64], names: Sequence[str]) -> None:
    """Draw counts, rows actual, columns predicted, with the accuracy as title."""
    accuracy = float(np.trace(matrix) / max(matrix.sum(), 1))
    axis.imshow(matrix, cmap="Blues")
    for (row, column), count in np.ndenumerate(matrix):
        dark = count > _HALF * matrix.max()
        axis.text(column, row, f"{count:.0f}", ha="center", va="center", color="wk"[not dark])
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", parse_math=False)
    axis.set_yticks(range(len(names)), names, parse_math=False)
    axis.set(xlabel="predicted", ylabel="actual", title=f"Confusion Matrix acc = {accuracy:.3f}")


def film_picture(unit: NDArray[np.float32]) -> str:
    """Draw the network's input, [side, side] in [0, 1]."""
    return _jpeg(_grey(unit))


def map_picture(unit: NDArray[np.float32], heat: NDArray[np.float32]) -> str:
    """Draw half the input and, in red, half the map [rows, columns], its largest value full."""
    scaled = heat / max(float(heat.max()), _TINY)
    return _jpeg(blend(unit, scaled.astype(np.float32)))


def places_picture(
    unit: NDArray[np.float32], true: NDArray[np.float64], found: NDArray[np.float64]
) -> str:
    """Draw the input with rings at true and crosses at found places [landmarks, 2]."""
    image = _grey(unit).convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(image)
    for place, ((x, y), (u, v)) in enumerate(zip(_SIDE * true, _SIDE * found, strict=True), 1):
        pen.line((x, y, u, v), fill=_TRUE)
        pen.ellipse((x - 5, y - 5, x + 5, y + 5), outline=_TRUE, width=2)
        pen.line((u - 5, v - 5, u + 5, v + 5), fill=_FOUND, width=2)
        pen.line((u - 5, v + 5, u + 5, v - 5), fill=_FOUND, width=2)
        pen.text((x + 7, y - 12), str(place), fill=_TRUE)
    return _jpeg(image)


def blend(unit: NDArray[np.float32], heat: NDArray[np.float32]) -> Image.Image:
    """Return half the picture and, in red, half the map: RGB of the picture's size."""
    side = unit.shape[0]
    larger = np.asarray(Image.fromarray(heat).resize((side, side), Image.Resampling.BILINEAR))
    picture = np.repeat(unit[..., None], 3, axis=2) * 0.5
    picture[..., 0] += 0.5 * np.clip(larger, 0, 1)
    return Image.fromarray(np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8))


def _band(axis: Axes, curve: BandedCurve, drawstyle: str = "default") -> None:
    axis.fill_between(curve.grid, curve.lower, curve.upper, color=OURS, alpha=0.2, linewidth=0)
    axis.plot(curve.x, curve.y, color=OURS, linewidth=1.5, drawstyle=drawstyle)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _marks(axis: Axes, marks: Mapping[str, tuple[float, float]]) -> None:
    for (name, (x, y)), marker in zip(marks.items(), "os", strict=False):
        axis.plot(x, y, marker, color="black", fillstyle="none", label=name)
    if marks:
        axis.legend(fontsize=7, loc="lower right")


def _line_of(name: str) -> str:
    return "-." if name.endswith("specificity") else "--"


def _svg(*paints: Callable[[Axes], None], width: float = 3.4, height: float = 3.0) -> str:
    """Draw panels side by side; width and height of the whole, inches."""
    stream = BytesIO()
    with mpl.rc_context(_STYLE):
        figure = Canvas(figsize=(width, height), layout="constrained")
        panels = figure.subplots(1, len(paints), squeeze=False)[0]
        for axis, paint in zip(panels, paints, strict=True):
            paint(axis)
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return _uri("image/svg+xml", stream)


def _grey(unit: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.round(255 * np.clip(unit, 0, 1)).astype(np.uint8))


def _jpeg(image: Image.Image) -> str:
    stream = BytesIO()
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    small.save(stream, format="JPEG", quality=_QUALITY)
    return _uri("image/jpeg", stream)


def _uri(kind: str, stream: BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
