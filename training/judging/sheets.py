"""Files of an evaluation: text in the wrist paper's layout, JSON, CSV and the confusion matrix."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from training.judging.drawings import paint_confusion


def results_text(
    accuracies: Mapping[str, float], samples: int, project: str, experiment: str
) -> str:
    """Return `eval_results.txt` (and `infer_results.txt`): the published layout to the byte.

    BEST_ACC names the largest top-1 or highest-k above it, the last of equals, as there; the figure
    to quote is that of the head that the checkpoint fixed before, in the JSON beside this file.
    """
    shown = {name: round(float(value), 3) for name, value in accuracies.items()}
    best = max(filter(_competes, reversed(shown)), key=lambda name: shown[name])
    lines = [
        "[Evaluation Results]",
        f"Project: {project}, Experiment: {experiment}",
        f"Samples: {samples}",
        "",
        *(f"    {name} {value}%" for name, value in shown.items()),
        "",
        f"BEST_ACC: {best} {shown[best]}% ",
    ]
    return "\n".join(lines)


def _competes(name: str) -> bool:
    return name.endswith("top-1") or name.startswith("highest")


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write figures; NaN, which JSON does not know, becomes null."""
    path.write_text(json.dumps(_plain(document), indent=2) + "\n", encoding="utf-8")


def write_table(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows with equal keys as CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def draw_confusion(matrix: NDArray[np.float64], names: Sequence[str], path: Path) -> None:
    """Draw counts, rows actual, columns predicted, with the accuracy as title."""
    side = max(4.0, 1.1 * len(names))
    figure = Canvas(figsize=(side + 1, side), layout="tight")
    paint_confusion(figure.subplots(), matrix, names)
    figure.savefig(path, dpi=200)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value
