"""Figures with intervals: ``python -m training.evaluate CHECKPOINT data.root=FOLDER``.

With ``--manifest`` or ``--folders`` any checkpoint or package is judged on any films, by
`training.assess`.

Intervals are 95 % percentile intervals of a bootstrap that draws whole groups of films, because
films of one group are not independent.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from model import checkpoint
from model.networks.pim import Pim
from model.pixels import PixelProfile
from training import assess
from training.calibrate import softmax
from training.data import Film, Pictures, load_pictures, read_fracatlas
from training.geometry import normaliser

BINS = 15
RESAMPLES = 2000
Metric = Callable[[NDArray[np.float64], NDArray[np.bool_]], float]


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network says of films: logits [n, classes], pooled [n, channels], gate [n]."""

    logits: NDArray[np.float32]
    pooled: NDArray[np.float32]
    gate: NDArray[np.float32]


@torch.no_grad()
def answer(
    network: Pim, units: NDArray[np.float32], profile: PixelProfile, bfloat16: bool = False
) -> Answers:
    """Run unit pictures [n, size, size] through a network in evaluation mode."""
    image = normaliser(profile)(torch.from_numpy(units))
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        output = network(image.contiguous(memory_format=torch.channels_last))
        gate = network.gate_logit(output)
    return Answers(*(t.float().numpy() for t in (output.logits, output.pooled, gate)))


def answer_all(network: Pim, pictures: Pictures, profile: PixelProfile, batch: int = 32) -> Answers:
    """Run all pictures through a network, in evaluation mode and batch by batch."""
    network.eval()
    count = len(pictures.units)
    parts = [
        answer(network, pictures.units[start : start + batch], profile)
        for start in range(0, count, batch)
    ]
    return Answers(
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("logits", "pooled", "gate")
        )
    )


def calibration_error(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of a positive class over 15 equal bins."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [
        abs(scores[bins == b].mean() - positive[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def brier(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Mean squared difference between score and truth."""
    return float(np.square(scores - positive).mean())


def metrics_at(low: float, high: float) -> dict[str, Metric]:
    """Return every figure we give, for operating points `low` and `high`."""
    return {
        "auroc": lambda s, y: float(roc_auc_score(y, s)),
        "average_precision": lambda s, y: float(average_precision_score(y, s)),
        "sensitivity_at_high_sensitivity": lambda s, y: float((s[y] >= low).mean()),
        "specificity_at_high_sensitivity": lambda s, y: float((s[~y] < low).mean()),
        "sensitivity_at_high_specificity": lambda s, y: float((s[y] >= high).mean()),
        "specificity_at_high_specificity": lambda s, y: float((s[~y] < high).mean()),
        "expected_calibration_error": calibration_error,
        "brier": brier,
    }


def with_interval(
    metric: Metric,
    scores: NDArray[np.float64],
    positive: NDArray[np.bool_],
    groups: Sequence[str],
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return (value, lower, upper): 95 % bootstrap interval over groups.

    Draws in which only one class occurs say nothing about either and are drawn again.
    """
    rng = np.random.default_rng(seed)
    names = np.asarray(groups)
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    draws: list[float] = []
    if len(set(positive.tolist())) < 2:  # noqa: PLR2004 - both classes must occur
        raise ValueError("the films are all of one class")
    while len(draws) < RESAMPLES:
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if 0 < positive[rows].sum() < len(rows):
            draws.append(metric(scores[rows], positive[rows]))
    lower, upper = np.quantile(draws, [0.025, 0.975])
    return metric(scores, positive), float(lower), float(upper)


def figures(
    logits: NDArray[np.float32], films: Sequence[Film], decision: dict[str, float]
) -> dict[str, list[float]]:
    """Return every figure as [value, lower, upper] for films with fracture labels."""
    scores = softmax(logits, decision["temperature"])[:, 1]
    positive = np.array([film.fractured for film in films])
    groups = [film.group for film in films]
    chosen = metrics_at(decision["high_sensitivity"], decision["high_specificity"])
    return {
        name: [round(v, 4) for v in with_interval(metric, scores, positive, groups)]
        for name, metric in chosen.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Print the figures of a checkpoint on the validation hands as JSON."""
    if {"--manifest", "--folders", "-h", "--help"} & set(arguments):
        return assess.main(arguments)
    parser = argparse.ArgumentParser(prog="training.evaluate", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("root", help="data.root=FOLDER")
    options = parser.parse_args(arguments)
    try:
        found = judge_hands(options.checkpoint, Path(options.root.removeprefix("data.root=")))
    except (OSError, ValueError) as error:
        print(f"training.evaluate: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=2))
    return 0


def judge_hands(path: Path, root: Path) -> dict[str, list[float]]:
    """Return the figures of the shipped model's checkpoint on the validation hands of a root."""
    stored = checkpoint.load(path)
    films = [film for film in read_fracatlas(root) if film.split == "val" and film.hand_only]
    pictures = load_pictures(films, stored.profile())
    answers = answer_all(stored.build_pim(), pictures, stored.profile())
    return figures(answers.logits, films, stored.decision)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
