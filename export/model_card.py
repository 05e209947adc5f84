"""CARD.md without a template: what a checkpoint and its package say of themselves, in plain words.

For the radiologist who reads the model's results and the administrator who installs it. A thing
that is not known is named, with the word that it is not.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from export.figures import UNMEASURED, as_text, flat, is_figure
from model.checkpoint import Checkpoint
from model.findings import FINDINGS, NO_FINDING
from model.landmarks import LandmarkManifest
from model.networks.registry import Network
from model.package import FindingSpec, Manifest
from model.tolerances import LIMITS, compared
from model.verified import Description

WARNING = (
    "**This is not a medical device, and no diagnosis may rest on it.** It is a research model: "
    "not for clinical decisions, triage or second reading. A negative answer excludes nothing. Try "
    "it on films of your own site before you look at its results; on other body parts, other ages "
    "and other findings than those named here its answers mean nothing."
)
_UNSTATED, _UNRECORDED = "not stated", "not recorded"
_JUDGED_BY = "judged_by"
_TRAINING = {"films": "films", "data_sha256": "sha256 of the data", "overlap": "overlap of splits"}
_POINTS = ("high_sensitivity", "high_specificity")
_REACHED = ("sensitivity", "specificity")
_SHORT = {"auroc": "AUROC", "mean_auroc": "mean AUROC"}

_METHODS = {"gradcam": "Grad-CAM", "layercam": "LayerCAM"}

Row = tuple[str, ...]


def describe_model(
    stored: Checkpoint, network: Network, manifest: Description, megabytes: str
) -> str:
    """Return the card of a package, in Markdown.

    Parameters
    ----------
    stored : Checkpoint
    network : Network
        The checkpoint's.
    manifest : Manifest or LandmarkManifest
    megabytes : str
        Size of the graph with its weights.
    """
    figures = flat(stored.metrics)
    sections = [
        f"# {_cell(manifest.name)} {_cell(manifest.version)}\n\n{WARNING}",
        _section("What it answers", _answers(manifest)),
        _section("Intended use", _facts(_use(stored, manifest))),
        _section("Network", _facts(_network(network, manifest, megabytes))),
        _section("Training", _facts(_training(stored.provenance))),
        _section("Figures", _figures(figures)),
        _section("Operating points", _operating_points(manifest, figures)),
        _section("Export", _parity(manifest)),
        _section("Attribution", _list(manifest.attribution)),
    ]
    return "\n\n".join(sections) + "\n"


def _answers(manifest: Description) -> str:
    if isinstance(manifest, LandmarkManifest):
        return (
            "Places of landmarks on a film, for the stage of a chain that crops around them; it "
            f"reports no finding.\n\n{_list(manifest.landmarks)}"
        )
    assert isinstance(manifest, Manifest)
    reported = {finding.name for finding in manifest.findings}
    lines = [
        f"{FINDINGS[name].display} (`{name}`)"
        + ("" if name in reported else ": **not reported**, it has no operating points")
        for name in manifest.classes
        if name != NO_FINDING
    ]
    return f"{_task(manifest)}\n\n{_list(lines)}"


def _task(manifest: Manifest) -> str:
    if manifest.activation == "softmax":
        classes = ", ".join(f"`{name}`" for name in manifest.classes)
        return f"One class of several (single label), out of {classes}. The findings:"
    if len(manifest.classes) == 1:
        return "One finding, yes or no:"
    return "Each finding for itself (multi label); a film may show several, or none. The findings:"


def _use(stored: Checkpoint, manifest: Description) -> Iterable[Row]:
    about = stored.recipe["package"]
    yield "accepts", about.get("accepts") or _UNSTATED
    yield "body parts (BodyPartExamined)", ", ".join(about.get("body_parts", ())) or _UNSTATED
    yield "ages", _ages(about.get("min_age_years"), about.get("max_age_years"))
    if isinstance(manifest, Manifest):
        gate = manifest.gate
        yield (
            "body-part gate",
            "none: BodyPartExamined alone decides which films are read"
            if gate is None
            else f"films below {gate.threshold:.3f} are refused",
        )


def _ages(youngest: float | None, oldest: float | None) -> str:
    words = [] if youngest is None else [f"from {youngest:g}"]
    words += [] if oldest is None else [f"to {oldest:g}"]
    return f"{' '.join(words)} years" if words else "no limit stated"


def _network(network: Network, manifest: Description, megabytes: str) -> Iterable[Row]:
    config: Any = network.config
    size = manifest.pixels.size
    yield "kind", manifest.network
    yield "backbone", getattr(config, "backbone", "") or "that of its kind"
    yield "input", f"{size} x {size} pixels, letterboxed"
    yield "parameters", f"{sum(part.numel() for part in network.parameters()):,}"
    yield "graph", f"{megabytes} MB, {manifest.precision}"
    if isinstance(manifest, Manifest):
        maps = [
            f"{_METHODS[each.method]} of {each.layer}, {each.rows} x {each.columns}"
            for each in manifest.maps
        ]
        yield "heat maps", "; ".join(maps)


def _training(provenance: Mapping[str, str]) -> Iterable[Row]:
    yield from ((words, provenance.get(name, _UNRECORDED)) for name, words in _TRAINING.items())
    yield from ((name, text) for name, text in provenance.items() if name not in _TRAINING)


def _figures(figures: Mapping[str, Any]) -> str:
    shown = {name: value for name, value in figures.items() if name != _JUDGED_BY}
    judged = f"Judged by: {_cell(str(figures.get(_JUDGED_BY, _UNRECORDED)))}."
    if not shown:
        return f"{judged} Figures: {UNMEASURED}."
    rows = [(_words(name), *_figure(value)) for name, value in shown.items()]
    return f"{judged}\n\n{_table(('figure', 'value', '95 % interval'), rows)}"


def _figure(value: Any) -> Row:  # noqa: ANN401 - a value out of a checkpoint
    if isinstance(value, list | tuple):
        if not is_figure(value):
            return f"{len(value)} values, in the checkpoint", ""
        middle, lower, upper = map(as_text, value)
        return middle, f"{lower} to {upper}"
    return as_text(value), UNMEASURED if isinstance(value, float) else ""  # a count has none


def _operating_points(manifest: Description, figures: Mapping[str, Any]) -> str:
    if not isinstance(manifest, Manifest):
        return "None: a localiser scores nothing."
    only = len(manifest.findings) == 1
    rows = [
        _operating_point(finding, point, _of_finding(figures, finding.name, only))
        for finding in manifest.findings
        for point in _POINTS
    ]
    head = ("finding", "point", "score", "sensitivity there", "specificity there")
    return (
        "A score below the first point is negative, from the second on positive, between them in "
        f"doubt. Temperature: {manifest.temperature:.3f}. Calibration: "
        f"{_cell(manifest.calibration) or _UNSTATED}.\n\n{_table(head, rows)}"
    )


def _operating_point(finding: FindingSpec, point: str, figures: Mapping[str, Any]) -> Row:
    reached = [as_text(figures.get(f"{what}_at_{point}")) for what in _REACHED]
    return _display(finding), _words(point), f"{getattr(finding, point):.3f}", *reached


def _of_finding(figures: Mapping[str, Any], finding: str, only: bool) -> dict[str, Any]:
    """Return a finding's own figures by their last name; the only one has those of no finding."""
    own = {name: value for name, value in figures.items() if only and "." not in name}
    for name, value in figures.items():
        before, _, last = name.rpartition(".")
        if before.split(".")[-1] == finding:
            own[last] = value
    return own


def _parity(manifest: Description) -> str:
    report = manifest.parity_report
    if report is None:
        return f"Agreement of the graph with its network: {UNMEASURED}."
    films = f"{report.films} real films" if report.films else "no real films"
    rows = [
        (compared(name), f"{manifest.parity[name]:.1e}", f"{limit:.0e}")
        for name, limit in LIMITS[manifest.precision].items()
        if name in manifest.parity
    ]
    changes = [
        f"AUROC of {task.finding}: {task.auroc_reference} before, {task.auroc} now ({task.films} "
        f"films, {task.positive} with it)"
        for task in report.tasks
    ]
    table = _table(("compared", "largest difference", "allowed"), rows)
    return (
        f"The graph was compared with {report.reference}, on {report.pictures} pictures and "
        f"{films}; maps as fractions of their largest value.\n\n{table}"
        + (f"\n\n{_list(changes)}" if changes else "")
    )


def _display(finding: FindingSpec) -> str:
    return FINDINGS[finding.name].display


def _words(name: str) -> str:
    """Return a dotted name for people: ``fracture.mean_auroc`` is "fracture: mean AUROC"."""
    return ": ".join(_SHORT.get(part, part.replace("_", " ")) for part in name.split("."))


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"* {_cell(line)}" for line in lines) or f"* {_UNSTATED}"


def _facts(rows: Iterable[Row]) -> str:
    return _list(": ".join(row) for row in rows)


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """Return a text that stays in its cell, in one line."""
    return " ".join(text.split()).replace("|", "\\|")
