"""Evaluate a checkpoint or package on one split of films: all heads, findings, strata.

``python -m training.evaluate SUBJECT --manifest films.csv --split test --out DIR`` (or
``--folders ROOT`` for the published layout). Single-label subjects decide by the largest class,
multi-label ones by their high-sensitivity point; both operating points are reported beside that.
Operating points come with the checkpoint: they were chosen on validation films.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.findings import NO_FINDING
from training.data.examples import DataError, Example, read_folders, refuse_unknown_labels
from training.data.splits import data_hash, overlaps, read_split
from training.data.truth import targets
from training.judging.assessment import Figure, Table, by_finding, by_stratum
from training.judging.heads import head_accuracies
from training.judging.metrics import confusion, interval, resample
from training.judging.responses import HeadAnswers
from training.judging.subject import Subject, load_subject
from training.judging.tables import draw_confusion, results_text, write_json, write_table


def main(arguments: Sequence[str]) -> int:
    """Write eval_results.txt, evaluation.json, findings.csv, strata.csv, confusion.png."""
    parser = argparse.ArgumentParser(prog="training.evaluate", description=__doc__)
    parser.add_argument("subject", type=Path, help="checkpoint file or model package folder")
    add_films(parser)
    options = parser.parse_args(arguments)
    try:
        subject = load_subject(options.subject)
        examples, leaks = choose_films(options, subject)
        report = assess(subject, examples, options.out)
    except DataError as error:
        print(f"training.evaluate: {error}", file=sys.stderr)
        return 2
    for kind, count in leaks.items():
        print(f"WARNING: {count} {kind} values of these films also lie in another split")
    print(f"{len(examples)} films, {report['patients']} patients -> {options.out}")
    return 0


def add_films(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which films, and where the files go."""
    films = parser.add_mutually_exclusive_group(required=True)
    films.add_argument("--manifest", type=Path, help="CSV, see training.data.examples")
    films.add_argument("--folders", type=Path, help="published layout")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rename", action="append", default=[], metavar="LABEL=FINDING")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE")
    parser.add_argument("--declare-overlap", action="store_true", help="judge leaking splits")
    parser.add_argument("--out", type=Path, required=True)


def choose_films(
    options: argparse.Namespace, subject: Subject
) -> tuple[list[Example], dict[str, int]]:
    """Return the films of the split asked for, and the overlaps that were declared."""
    if options.folders:
        everything = read_folders(options.folders, subject.classes)
    else:
        rename, where = (dict(w.split("=", 1) for w in x) for x in (options.rename, options.where))
        everything = read_split(options.manifest, rename, where, options.declare_overlap)
    leaks = overlaps(everything)
    if leaks and not options.declare_overlap:
        raise DataError(f"splits overlap ({leaks}); --declare-overlap judges them all the same")
    chosen = [example for example in everything if example.split == options.split]
    if not chosen:
        raise DataError(f"there is no film in split {options.split!r}")
    refuse_unknown_labels(chosen, subject.classes, subject.activation == "softmax")
    return chosen, leaks


def assess(subject: Subject, examples: list[Example], out: Path) -> dict[str, Any]:
    """Judge films, write every file into `out`, return what evaluation.json holds."""
    out.mkdir(parents=True, exist_ok=True)
    answers = subject.answer(examples)
    about = (subject.classes, subject.activation, subject.decision)
    table = by_finding(answers.logits, examples, *about)
    report: dict[str, Any] = {
        "subject": subject.path.name,
        "head": subject.head,
        "films": len(examples),
        "patients": len({example.patient for example in examples}),
        "data_sha256": data_hash(examples),
        "decision": subject.decision,
        "findings": table,
        "strata": by_stratum(answers.logits, examples, *about),
    }
    if subject.activation == "softmax":
        report |= _single_label(subject, answers, examples, out)
    write_json(report, out / "evaluation.json")
    write_table(_rows(table), out / "findings.csv")
    write_table(_strata_rows(report["strata"]), out / "strata.csv")
    return report


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


def _rows(table: Mapping[str, Mapping[str, Figure]]) -> list[dict[str, object]]:
    return [
        {"finding": name, "figure": figure, "value": f[0], "lower": f[1], "upper": f[2]}
        for name, found in table.items()
        for figure, f in found.items()
    ]


def _strata_rows(strata: Mapping[str, Mapping[str, Table]]) -> list[dict[str, object]]:
    return [
        {"stratum": kind, "group": value, **row}
        for kind, groups in strata.items()
        for value, table in groups.items()
        for row in _rows({n: t for n, t in table.items() if n != NO_FINDING})
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
