"""Evaluate a run, checkpoint or package on one split of films: heads, findings, landmarks, strata.

``python -m training.evaluate SUBJECT --manifest films.csv --split test --out DIR`` (or
``--folders ROOT`` for the published layout). Single-label subjects decide by the largest class,
multi-label ones by their high-sensitivity point; both operating points are reported beside that.
Operating points come with the checkpoint: they were chosen on validation films. Landmarks are
judged by their distance, a fraction of the input's side.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.findings import NO_FINDING
from training.data.examples import DataError, Example, read_folders, refuse_unknown_labels
from training.data.splits import data_hash, overlaps, read_split
from training.data.truth import targets
from training.judging.assessment import (
    Strata,
    by_finding,
    by_landmark,
    by_stratum,
    landmarks_by_stratum,
)
from training.judging.heads import head_accuracies
from training.judging.metrics import Figure, confusion, interval, resample
from training.judging.responses import HeadAnswers
from training.judging.sheets import draw_confusion, results_text, write_json, write_table
from training.judging.subject import Judged, LandmarkSubject, Subject, load_judged


def main(arguments: Sequence[str]) -> int:
    """Write evaluation.json and strata.csv, and the further files of the subject's task.

    Of findings findings.csv, of exclusive ones also eval_results.txt and confusion.png; of
    landmarks landmarks.csv.
    """
    parser = argparse.ArgumentParser(prog="training.evaluate", description=__doc__)
    parser.add_argument("subject", type=Path, help="checkpoint, folder of a run or of a package")
    add_films(parser)
    options = parser.parse_args(arguments)
    try:
        subject = load_judged(options.subject)
        examples, leaks = choose_films(options, subject)
        report = assess(subject, examples, options.out)
    except DataError as error:
        print(f"training.evaluate: {error}", file=sys.stderr)
        return 2
    for kind, count in leaks.items():
        print(f"WARNING: {count} {kind} values lie in more than one split")
    print(f"{len(examples)} films, {report['patients']} patients -> {options.out}")
    return 0


def add_films(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the options for the choice of films and for the output folder."""
    films = parser.add_mutually_exclusive_group(required=required)
    films.add_argument("--manifest", type=Path, help="CSV, see training.data.examples")
    films.add_argument("--folders", type=Path, help="published layout")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rename", action="append", default=[], metavar="LABEL=FINDING")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE")
    parser.add_argument("--declare-overlap", action="store_true", help="judge leaking splits")
    parser.add_argument("--out", type=Path, required=True)


def choose_films(
    options: argparse.Namespace, subject: Judged
) -> tuple[list[Example], dict[str, int]]:
    """Return the films of the split asked for, and the overlaps that were declared."""
    if options.folders:
        if isinstance(subject, LandmarkSubject):
            raise DataError("landmarks stand in a manifest; give --manifest")
        everything = read_folders(options.folders, subject.classes)
    else:
        rename, where = pairs(options.rename), pairs(options.where)
        everything = read_split(options.manifest, rename, where, options.declare_overlap)
    leaks = overlaps(everything)
    if leaks and not options.declare_overlap:
        raise DataError(f"splits overlap ({leaks}); --declare-overlap judges them all the same")
    chosen = [example for example in everything if example.split == options.split]
    if not chosen:
        raise DataError(f"there is no film in split {options.split!r}")
    if isinstance(subject, Subject):
        refuse_unknown_labels(chosen, subject.classes, subject.activation == "softmax")
    return chosen, leaks


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Return words NAME=VALUE as a mapping.

    Raises
    ------
    DataError
        A word has no "=".
    """
    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise DataError(f"--rename, --where: {wrong[0]!r}: write NAME=VALUE")
    return dict(word.split("=", 1) for word in words)


def assess(subject: Judged, examples: list[Example], out: Path) -> dict[str, Any]:
    """Judge films, write every file into `out`, return what evaluation.json holds."""
    if isinstance(subject, LandmarkSubject):
        return assess_places(subject, *subject.locate(examples), examples, out)
    return assess_answers(subject, subject.answer(examples), examples, out)


def assess_answers(
    subject: Subject, answers: HeadAnswers, examples: list[Example], out: Path
) -> dict[str, Any]:
    """Do what `assess` does with the answers at hand."""
    out.mkdir(parents=True, exist_ok=True)
    about = (subject.classes, subject.activation, subject.decision)
    table = by_finding(answers.logits, examples, *about)
    report = _films(subject, examples) | {
        "head": subject.head,
        "decision": subject.decision,
        "findings": table,
        "strata": by_stratum(answers.logits, examples, *about),
    }
    if subject.activation == "softmax":
        report |= _single_label(subject, answers, examples, out)
    write_json(report, out / "evaluation.json")
    write_table(_rows("finding", table), out / "findings.csv")
    write_table(_strata_rows("finding", report["strata"]), out / "strata.csv")
    return report


def assess_places(
    subject: LandmarkSubject,
    found: NDArray[np.float64],
    true: NDArray[np.float64],
    examples: list[Example],
    out: Path,
) -> dict[str, Any]:
    """Do what `assess` does with the places [films, landmarks, 2] at hand."""
    out.mkdir(parents=True, exist_ok=True)
    distance = np.linalg.norm(found - true, axis=2)
    table = by_landmark(distance, examples, subject.landmarks)
    strata = landmarks_by_stratum(distance, examples)
    report = _films(subject, examples) | {"landmarks": table, "strata": strata}
    write_json(report, out / "evaluation.json")
    write_table(_rows("landmark", table), out / "landmarks.csv")
    write_table(_strata_rows("landmark", strata), out / "strata.csv")
    return report


def _films(subject: Judged, examples: list[Example]) -> dict[str, Any]:
    return {
        "subject": subject.path.name,
        "films": len(examples),
        "patients": len({example.patient for example in examples}),
        "data_sha256": data_hash(examples),
    }


def _single_label(
    subject: Subject, answers: HeadAnswers, examples: list[Example], out: Path
) -> dict[str, Any]:
    truth = targets(examples, subject.classes).argmax(axis=1)
    predicted = answers.logits.argmax(axis=1)
    matrix = confusion(truth, predicted, len(subject.classes))
    draw_confusion(matrix, subject.classes, out / "confusion.png")
    accuracies = head_accuracies(answers, truth)
    text = results_text(accuracies, len(examples), subject.path.parent.name, subject.path.stem)
    (out / "eval_results.txt").write_text(text, encoding="utf-8")
    weights = resample([example.patient for example in examples])
    right = (weights @ (truth == predicted)) / weights.sum(axis=1)
    return {
        "accuracy": interval(right),
        "heads_percent": accuracies,
        "confusion": matrix.tolist(),
    }


def _rows(what: str, table: Mapping[str, Mapping[str, Figure]]) -> list[dict[str, object]]:
    return [
        {what: name, "figure": figure, "value": f[0], "lower": f[1], "upper": f[2]}
        for name, found in table.items()
        for figure, f in found.items()
    ]


def _strata_rows(what: str, strata: Strata) -> list[dict[str, object]]:
    return [
        {"stratum": kind, "group": value, **row}
        for kind, groups in strata.items()
        for value, table in groups.items()
        for row in _rows(what, {n: t for n, t in table.items() if n != NO_FINDING})
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
