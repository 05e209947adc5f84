"""Loss and validation figure over the epochs as a PNG, from the first evaluation on."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from training.judging.drawings import paint_series


def draw_curves(history: dict[str, list[list[float]]], path: Path) -> None:
    """Draw each series of (step, value) pairs in its own panel."""
    series = {name: pairs for name, pairs in history.items() if pairs}
    if not series:
        return
    figure, axes = plt.subplots(1, len(series), figsize=(5 * len(series), 4), squeeze=False)
    for axis, (name, pairs) in zip(axes[0], series.items(), strict=True):
        paint_series(axis, name, pairs)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
