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
from training.answers import ANSWER, HeadAnswers, targets
from training.decision import scores_of
from training.examples import STRATA, DataError, Example, read_folders, refuse_unknown_labels
from training.highest import head_accuracies
from training.metrics import confusion, decisions, figures, interval, resample
from training.reporting import draw_confusion, results_text, write_json, write_table
from training.splits import data_hash, overlaps, read_split
from training.subject import Subject, load_subject

Figure = tuple[float, float, float]


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
    films.add_argument("--manifest", type=Path, help="CSV, see training.examples")
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
    table = by_finding(subject, answers, examples)
    report: dict[str, Any] = {
        "subject": subject.path.name,
        "head": "answer" if subject.network is None else subject.network.config.head,
        "films": len(examples),
        "patients": len({example.patient for example in examples}),
        "data_sha256": data_hash(examples),
        "decision": subject.decision,
        "findings": table,
        "strata": by_stratum(subject, answers, examples),
    }
    if subject.activation == "softmax":
        report |= _single_label(subject, answers, examples, out)
    write_json(report, out / "evaluation.json")
    write_table(_rows(table), out / "findings.csv")
    write_table(_strata_rows(report["strata"]), out / "strata.csv")
    return report


def by_finding(
    subject: Subject, answers: HeadAnswers, examples: list[Example]
) -> dict[str, dict[str, Figure]]:
    """Return every figure of every class as (value, lower, upper), clustered by patient."""
    logits = answers.heads[ANSWER]
    scores = scores_of(logits, subject.activation, subject.decision["temperature"])
    truth = targets(examples, subject.classes) > 0
    weights = resample([example.patient for example in examples])
    table: dict[str, dict[str, Figure]] = {}
    for column, name in enumerate(subject.classes):
        positive, score = truth[:, column], scores[:, column]
        low = subject.decision.get(f"{name}.high_sensitivity")
        high = subject.decision.get(f"{name}.high_specificity")
        predicted = logits.argmax(axis=1) == column
        if subject.activation == "sigmoid":
            predicted = score >= (0.5 if low is None else low)
        found = figures(score, positive, predicted, weights)
        for point, threshold in (("high_sensitivity", low), ("high_specificity", high)):
            if threshold is not None:
                at = decisions(positive, score >= threshold, weights)
                found |= {f"{figure}_at_{point}": values for figure, values in at.items()}
        table[name] = {"films": (float(positive.sum()),) * 3} | {
            figure: interval(values) for figure, values in found.items()
        }
    return table


def by_stratum(
    subject: Subject, answers: HeadAnswers, examples: list[Example]
) -> dict[str, dict[str, dict[str, dict[str, Figure]]]]:
    """Return the figures of every class within view, age band, sex, side, device, cast, metal."""
    strata: dict[str, dict[str, dict[str, dict[str, Figure]]]] = {}
    for kind in STRATA:
        values = [str(getattr(example, kind)) or "unknown" for example in examples]
        if len(set(values)) == 1:
            continue
        strata[kind] = {}
        for value in sorted(set(values)):
            rows = [row for row, found in enumerate(values) if found == value]
            part = HeadAnswers({ANSWER: answers.heads[ANSWER][rows]}, {})
            strata[kind][value] = by_finding(subject, part, [examples[row] for row in rows])
    return strata


def _single_label(
    subject: Subject, answers: HeadAnswers, examples: list[Example], out: Path
) -> dict[str, Any]:
    truth = targets(examples, subject.classes).argmax(axis=1)
    predicted = answers.heads[ANSWER].argmax(axis=1)
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


def _strata_rows(
    strata: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Figure]]]],
) -> list[dict[str, object]]:
    return [
        {"stratum": kind, "group": value, **row}
        for kind, groups in strata.items()
        for value, table in groups.items()
        for row in _rows({n: t for n, t in table.items() if n != NO_FINDING})
    ]
