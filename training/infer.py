"""Read a folder of films: ``python -m training.infer SUBJECT FOLDER --out DIR``.

SUBJECT is a checkpoint or a model package. ``infer_result.csv`` has one row for each picture: id
(path), original_label (class folder, where FOLDER has class folders), predict_label, goal (the
probability of the predicted class) and the probability of every class. With labels there are also
``infer_results.txt``, in the wrist paper's layout, and the confusion matrix as ``infer_cm.png``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.findings import NO_FINDING
from training.data.examples import PICTURES, DataError, Example
from training.judging.decision import scores_of
from training.judging.heads import head_accuracies
from training.judging.metrics import confusion
from training.judging.responses import ANSWER, COMBINER
from training.judging.sheets import draw_confusion, results_text, write_table
from training.judging.subject import Subject, load_subject

UNLABELLED = ""


def find_pictures(folder: Path, classes: Sequence[str]) -> list[tuple[Path, str]]:
    """Return every picture below a folder with its label: its folder's class, or none.

    A folder counts as a class by its name or, as in the published layout, by its index.
    """
    names = {str(index): name for index, name in enumerate(classes)} | {n: n for n in classes}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not found:
        raise DataError(f"{folder}: there are no pictures")
    return [(path, names.get(path.parent.name, UNLABELLED)) for path in found]


def infer(subject: Subject, folder: Path, out: Path) -> list[dict[str, object]]:
    """Read every picture, write the files into `out`, return the table."""
    out.mkdir(parents=True, exist_ok=True)
    found = find_pictures(folder, subject.classes)
    examples = [
        Example(path, () if label in (UNLABELLED, NO_FINDING) else (label,), "", "", "", "")
        for path, label in found
    ]
    answers = subject.answer(examples)
    logits = answers.logits
    scores = scores_of(logits, subject.activation, subject.decision["temperature"])
    table = [
        _row(path, label, score, subject.classes)
        for (path, label), score in zip(found, scores, strict=True)
    ]
    write_table(table, out / "infer_result.csv")
    labels = [label for _, label in found]
    if UNLABELLED not in labels and subject.activation == "softmax":
        truth = np.array([subject.classes.index(label) for label in labels])
        kept = head_accuracies(answers, truth)
        answered = {k: v for k, v in kept.items() if k.startswith((COMBINER, ANSWER))}
        text = results_text(answered or kept, len(found), out.parent.name, subject.path.stem)
        (out / "infer_results.txt").write_text(text, encoding="utf-8")
        matrix = confusion(truth, logits.argmax(axis=1), len(subject.classes))
        draw_confusion(matrix, subject.classes, out / "infer_cm.png")
    return table


def main(arguments: Sequence[str]) -> int:
    """Read one folder."""
    parser = argparse.ArgumentParser(prog="training.infer", description=__doc__)
    parser.add_argument("subject", type=Path, help="checkpoint file or model package folder")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        table = infer(load_subject(options.subject), options.folder, options.out)
    except DataError as error:
        print(f"training.infer: {error}", file=sys.stderr)
        return 2
    print(f"{len(table)} pictures -> {options.out}")
    return 0


def _row(
    path: Path, label: str, score: NDArray[np.float64], classes: Sequence[str]
) -> dict[str, object]:
    best = int(score.argmax())
    return {
        "id": str(path),
        "original_label": label,
        "predict_label": classes[best],
        "goal": round(float(score[best]), 6),
    } | {name: round(float(p), 6) for name, p in zip(classes, score, strict=True)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
