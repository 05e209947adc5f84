"""Report on a run, checkpoint or package: one HTML page that needs nothing beside it.

``python -m training.report RUN --out DIR`` shows the figures that the checkpoint itself holds;
with ``--manifest films.csv --split test`` (or ``--folders ROOT``) it judges these films as
``training.evaluate`` does, writes the same files, and the page shows figures with intervals,
curves, strata, and the films that were judged wrong. The page holds pictures of films: keep it
where films are kept.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.findings import NO_FINDING
from model.networks.files import read_torch
from training.data.examples import DataError, Example
from training.evaluate import add_films, assess_answers, assess_places, choose_films
from training.judging import chapters, drawings
from training.judging.about import About, about, flat, warnings_of
from training.judging.assessment import decide_films
from training.judging.gallery import show_films, show_places, wrong_and_uncertain
from training.judging.page import Page
from training.judging.subject import Judged, LandmarkSubject, Subject, load_judged
from training.run.start import STATE_FILE

PAGE_FILE = "report.html"


@dataclass(frozen=True)
class ReportRequest:
    """How films are shown: how many in each gallery, and whether by their names."""

    pictures: int
    names: bool


def main(arguments: Sequence[str]) -> int:
    """Write report.html and, with films, the files of `training.evaluate`."""
    parser = argparse.ArgumentParser(prog="training.report", description=__doc__)
    parser.add_argument("subject", type=Path, help="checkpoint, folder of a run or of a package")
    add_films(parser, required=False)
    parser.add_argument("--pictures", type=int, default=6, help="films in each gallery")
    parser.add_argument("--names", action="store_true", help="show the names of files")
    options = parser.parse_args(arguments)
    try:
        path = report(options)
    except DataError as error:
        print(f"training.report: {error}", file=sys.stderr)
        return 2
    print(path)
    return 0


def report(options: argparse.Namespace) -> Path:
    """Write the page; return its path.

    Raises
    ------
    DataError
        The subject or the films cannot be judged.
    """
    subject = load_judged(options.subject)
    facts = about(subject)
    page = Page(f"{facts.name} {facts.version}".strip())
    judging = bool(options.manifest or options.folders)
    examples, leaks = choose_films(options, subject) if judging else ([], {})
    _warn(page, [
        *(f"Overlap was declared: {n} {kind} values lie in two splits; figures are too good."
          for kind, n in leaks.items()),
        *warnings_of(facts, subject, options.split if judging else None),
    ])  # fmt: skip
    chapters.say_what_it_is(page, facts)
    if judging:
        wanted = ReportRequest(options.pictures, options.names)
        judge_films(page, subject, facts, examples, options.out, wanted)
    else:
        show_own_figures(page, subject, facts)
    _draw_history(page, subject.path)
    options.out.mkdir(parents=True, exist_ok=True)
    path: Path = options.out / PAGE_FILE
    path.write_text(page.render(), encoding="utf-8")
    return path


def judge_films(
    page: Page,
    subject: Judged,
    facts: About,
    examples: list[Example],
    out: Path,
    wanted: ReportRequest,
) -> None:
    """Judge films and put all that is found on the page."""
    patients = len({example.patient for example in examples})
    page.heading("Figures")
    page.paragraph(f"{len(examples)} films of {patients} patients.")
    if isinstance(subject, LandmarkSubject):
        _judge_places(page, subject, examples, out, wanted)
    else:
        _judge_classes(page, subject, facts, examples, out, wanted)


def show_own_figures(page: Page, subject: Judged, facts: About) -> None:
    """Show the figures that a checkpoint holds of the films that chose it."""
    page.heading("Figures of the checkpoint itself")
    metrics = facts.metrics
    if metrics.get("findings") and isinstance(subject, Subject):
        chapters.tabulate_findings(page, metrics["findings"], facts, subject.decision)
        chapters.tabulate_baselines(page, facts)
    elif metrics.get("landmarks"):
        chapters.tabulate_landmarks(page, metrics["landmarks"])
    else:
        page.paragraph(
            "It holds no figures with intervals (a run measures them at its end); "
            "give films to judge it.",
            "note",
        )
    if metrics:
        with page.fold("All that it holds"):
            page.table("Figures", (), flat(metrics))


def _judge_classes(
    page: Page,
    subject: Subject,
    facts: About,
    examples: list[Example],
    out: Path,
    wanted: ReportRequest,
) -> None:
    answers = subject.answer(examples)
    document = assess_answers(subject, answers, examples, out)
    decided = decide_films(
        answers.logits, examples, subject.classes, subject.activation, subject.decision
    )
    _say_accuracy(page, document)
    chapters.tabulate_findings(page, document["findings"], facts, subject.decision)
    chapters.tabulate_baselines(page, facts)
    if "confusion" in document:
        matrix = np.array(document["confusion"])
        page.figure("Confusion matrix", drawings.confusion_figure(matrix, subject.classes))
    columns = [n for n, name in enumerate(subject.classes) if name != NO_FINDING]
    for column in columns:
        chapters.draw_finding(page, subject, decided, examples, column)
    chapters.tabulate_strata(page, document, examples, "findings")
    for column in columns:
        page.heading(f"Films: {subject.classes[column]}")
        found = wrong_and_uncertain(decided, column, wanted.pictures)
        for title, rows in found.items():
            films = show_films(subject, examples, decided, column, rows, wanted.names)
            chapters.hang(page, title, films)


def _judge_places(
    page: Page, subject: LandmarkSubject, examples: list[Example], out: Path, wanted: ReportRequest
) -> None:
    found, true = subject.locate(examples)
    document = assess_places(subject, found, true, examples, out)
    chapters.tabulate_landmarks(page, document["landmarks"])
    chapters.tabulate_strata(page, document, examples, "landmarks")
    page.heading("Films")
    films = show_places(subject, examples, found, true, wanted.pictures, wanted.names)
    chapters.hang(page, "Largest distance; rings: true places, crosses: found ones", films)
    named = "; ".join(f"{number} {name}" for number, name in enumerate(subject.landmarks, 1))
    page.paragraph(f"Located: {named}.", "note")


def _say_accuracy(page: Page, document: dict[str, Any]) -> None:
    if "accuracy" in document:
        page.paragraph(f"Accuracy {chapters.figure_text(document['accuracy'])}.")
        with page.fold("Accuracy of every head, percent"):
            rows = [(name, f"{value:.3f}") for name, value in document["heads_percent"].items()]
            page.table("Heads", (), rows)


def _warn(page: Page, warnings: Sequence[str]) -> None:
    page.paragraph("For research; not for diagnosis.", "note")
    for warning in warnings:
        page.paragraph(warning, "warning")


def _draw_history(page: Page, path: Path) -> None:
    """Draw the curves of the run whose folder holds the checkpoint; a state that is gone has none.

    Raises
    ------
    DataError
        The state is damaged.
    """
    state = path.parent / STATE_FILE
    if path.is_dir() or not state.is_file():
        return
    try:
        history = dict(read_torch(state)["history"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{state}: no curves can be read ({error}); move it away") from error
    if not any(history.values()):
        return
    page.heading("Training")
    page.figure("Loss and the figure that chooses, by passes", drawings.history_figure(history))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
