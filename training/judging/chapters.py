"""The chapters of a report: what is known, as headings, tables and figures of a page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.findings import NO_FINDING
from training.data.examples import Example
from training.judging import drawings
from training.judging.about import FEW, About, flat
from training.judging.assessment import POINTS, Decided, groups_of
from training.judging.gallery import FilmShown
from training.judging.metrics import confusion, precision_recall, reliability, resample, roc
from training.judging.page import Page
from training.judging.subject import Subject

HIDDEN_BELOW = 5
"""Patients of a group that is not shown."""
SMALL_BELOW = 20
"""Positive or other films of a group that is marked."""
_RANKED = ("auroc", "average_precision", "brier", "ece")
_DECIDED = ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy")
_HEADINGS = {"auroc": "AUROC", "average_precision": "AP", "brier": "Brier", "ece": "ECE",
             "ppv": "PPV", "npv": "NPV", "f1": "F1", "mean_distance": "mean distance"}  # fmt: skip

Figures = Mapping[str, Mapping[str, Any]]


def figure_text(figure: Sequence[float | None] | None) -> str:
    """Return "0.912 (0.880 to 0.941)", or a dash where the figure does not exist."""
    if figure is None or figure[0] is None or not np.isfinite(figure[0]):
        return "\N{EN DASH}"
    value, *limits = figure
    known = [limit for limit in limits if limit is not None and np.isfinite(limit)]
    between = f" ({' to '.join(f'{limit:.3f}' for limit in known)})" if len(known) > 1 else ""
    return f"{value:.3f}{between}"


def say_what_it_is(page: Page, facts: About) -> None:
    """Name, task and network; recipe and provenance behind folds."""
    page.heading("What it is")
    plain = {k: v for k, v in facts.network.items() if k not in ("classes", "kind")}
    page.table(
        "Subject",
        (),
        [
            ("Name", facts.name),
            ("Version", facts.version or "not given"),
            ("Task", facts.task),
            ("Network", str(facts.network.get("kind", "not given"))),
            ("Trained with commit", facts.provenance.get("commit", "not recorded")),
            ("Data, sha256", facts.provenance.get("data_sha256", "not recorded")),
            ("Seed", facts.provenance.get("seed", "not recorded")),
            ("Device", facts.provenance.get("device", "not recorded")),
        ],
    )
    for note in facts.notes:
        page.paragraph(note, "note")
    for title, tree in (("Network", plain), ("Recipe", facts.recipe),
                        ("Provenance", facts.provenance)):  # fmt: skip
        if tree:
            with page.fold(title):
                page.table(title, (), flat(tree))


def tabulate_findings(
    page: Page, findings: Figures, facts: About, decision: Mapping[str, float]
) -> None:
    """Ranking and calibration of each finding; its decisions as judged and at both points."""
    names = [name for name in findings if name != NO_FINDING or len(findings) != 2]  # noqa: PLR2004 - else a mirror
    page.table(
        "Ranking and calibration (95 % intervals by patient)",
        ("", "positive films", *map(_heading, _RANKED)),
        [
            (name, f"{findings[name]['films'][0]:.0f}", *_cells(findings[name], _RANKED, ""))
            for name in names
        ],
    )
    rows = []
    for name in names:
        rows.append((f"{name}, as judged", "", *_cells(findings[name], _DECIDED, "")))
        for point in POINTS:
            threshold = decision.get(f"{name}.{point}")
            if threshold is not None:
                label = f"{name}, {point.replace('_', ' ')}{_mark(facts, name)}"
                at = _cells(findings[name], _DECIDED, f"_at_{point}")
                rows.append((label, f"{threshold:.4f}", *at))
    head = ("", "from score", *map(_heading, _DECIDED))
    page.table("Decisions (95 % intervals by patient)", head, rows)
    page.paragraph(
        "As judged: the class of the largest score or, where findings do not exclude each other, "
        f"every finding from its high-sensitivity point on. Provisional: fewer than {FEW} positive "
        "films placed the point, or their number is not recorded.",
        "note",
    )


def tabulate_landmarks(page: Page, table: Figures) -> None:
    """Distances of each landmark."""
    figures = list(next(iter(table.values())))
    page.table(
        "Distance from the true place, in parts of the input's side (95 % intervals by patient)",
        ("", *map(_heading, figures)),
        [(name, *_cells(found, figures, "")) for name, found in table.items()],
    )


def tabulate_baselines(page: Page, facts: About) -> None:
    """Put the AUROC of simple methods beside that of the network, on the films that chose it."""
    own = facts.metrics.get("findings", {})
    baselines: Figures = facts.metrics.get("baselines", {})
    if not baselines:
        return
    names = sorted({name for found in baselines.values() for name in found})
    page.table(
        "Baselines: AUROC on the films that chose the network (95 % intervals by patient)",
        ("", *(f"{method} alone" for method in baselines), "network"),
        [
            (
                name,
                *(figure_text(found.get(name)) for found in baselines.values()),
                figure_text(own.get(name, {}).get("auroc")),
            )
            for name in names
        ],
    )
    page.paragraph(
        "shortcut: file size and mode, no picture; frozen: the network's features before training.",
        "note",
    )


def draw_finding(
    page: Page, subject: Subject, decided: Decided, examples: Sequence[Example], column: int
) -> None:
    """Curves, reliability, histogram and confusion matrix of one finding."""
    name = subject.classes[column]
    truth, scores = decided.truth[:, column], decided.scores[:, column]
    page.heading(f"Curves: {name}")
    points = {
        point.replace("_", " "): subject.decision[f"{name}.{point}"]
        for point in POINTS
        if f"{name}.{point}" in subject.decision
    }
    weights = resample([example.patient for example in examples])
    matrix = confusion(
        truth.astype(np.int64), decided.positive[:, column].astype(np.int64), 2
    )  # fmt: skip
    with page.row():
        if truth.any() and not truth.all():
            found = roc(scores, truth, weights)
            marks = {point: _roc_place(scores, truth, at) for point, at in points.items()}
            page.figure("ROC; band: 95 %, by patient", drawings.roc_figure(found, marks))
            found = precision_recall(scores, truth, weights)
            marks = {point: _pr_place(scores, truth, at) for point, at in points.items()}
            drawn = drawings.precision_recall_figure(found, float(truth.mean()), marks)
            page.figure("Precision and recall; dotted: chance", drawn)
        else:
            page.paragraph("All films are alike in this finding: there is no curve.", "note")
        drawn = drawings.reliability_figure(reliability(scores, truth, weights))
        page.figure("Reliability, 95 % intervals by patient", drawn)
        drawn = drawings.histogram_figure(scores, truth, points)
        page.figure("Scores; lines: operating points", drawn)
        drawn = drawings.confusion_figure(matrix, (f"no {name}", name))
        page.figure("Films as judged", drawn)


def tabulate_strata(
    page: Page, report: Mapping[str, Any], examples: Sequence[Example], table: str
) -> None:
    """Figures within groups of films; `table` is "findings" or "landmarks"."""
    page.heading("Strata")
    groups, hidden = groups_of(examples), 0
    head = ("", "films", "patients", *map(_heading, _stratum_figures(table)))
    for kind, values in groups.items():
        patients = {v: len({examples[row].patient for row in rows}) for v, rows in values.items()}
        shown = {v: rows for v, rows in values.items() if patients[v] >= HIDDEN_BELOW}
        hidden += len(values) - len(shown)
        rows = [
            (f"{v}: {name}", str(len(films)), str(patients[v]), *_stratum(found, len(films), table))
            for v, films in shown.items()
            for name, found in report["strata"][kind][v].items()
            if name != NO_FINDING
        ]
        if rows:
            page.table(kind.replace("_", " "), head, rows)
    if not groups:
        page.paragraph("The films are alike in every column that is looked at.", "note")
    page.paragraph(
        f"Hidden: {hidden} groups of fewer than {HIDDEN_BELOW} patients. Few: fewer than "
        f"{SMALL_BELOW} films with or without the finding.",
        "note",
    )


def hang(page: Page, title: str, films: Sequence[FilmShown]) -> None:
    """Put a gallery on the page; an empty one says so."""
    page.heading(title, 3)
    if not films:
        page.paragraph("None.", "note")
    with page.row():
        for film in films:
            page.figure(film.caption, *film.pictures, kind="film")


def _stratum_figures(table: str) -> tuple[str, ...]:
    if table == "landmarks":
        return ("mean_distance", "within_2_percent", "within_5_percent")
    return ("positive", "auroc", "sensitivity", "specificity")


def _stratum(found: Mapping[str, Any], films: int, table: str) -> tuple[str, ...]:
    if table == "landmarks":
        return _cells(found, _stratum_figures(table), "")
    positive = int(found["films"][0])
    few = " (few)" if min(positive, films - positive) < SMALL_BELOW else ""
    return (f"{positive}{few}", *_cells(found, _stratum_figures(table)[1:], ""))


def _cells(found: Mapping[str, Any], figures: Sequence[str], ending: str) -> tuple[str, ...]:
    return tuple(figure_text(found.get(f"{figure}{ending}")) for figure in figures)


def _heading(figure: str) -> str:
    return _HEADINGS.get(figure, figure.replace("_percent", " %").replace("_", " "))


def _mark(facts: About, finding: str) -> str:
    count = facts.placed_by(finding)
    return " (provisional)" if count is None or count < FEW else ""


def _roc_place(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], threshold: float
) -> tuple[float, float]:
    return float((scores[~truth] >= threshold).mean()), float((scores[truth] >= threshold).mean())


def _pr_place(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], threshold: float
) -> tuple[float, float]:
    called = scores >= threshold
    return float(called[truth].mean()), float(truth[called].mean()) if called.any() else 1.0
