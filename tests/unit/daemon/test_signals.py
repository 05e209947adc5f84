"""One list of signals: code and documents agree on it, and nobody counts past it."""

import ast
import re
from pathlib import Path

import pytest

from daemon.signals import Signal, SignalKind

ROOT = Path(__file__).resolve().parents[3]
LIST = ROOT / "daemon" / "signals.py"
SOURCES = [
    file
    for file in sorted((ROOT / "daemon").rglob("*.py"))
    if file != LIST and "migrations" not in file.parts
]
TREES = {file: ast.parse(file.read_text(encoding="utf-8")) for file in SOURCES}
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")]
ROW = re.compile(r"\| `([^`]+)`(?: \*([^*]+)\*)? \| (\w+) \| (\w+) \| (.+) \|")


def written(file, tree):
    """Give each string that a file writes out, also as a part of another, with its place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.strip(), f"{file.relative_to(ROOT)}:{node.lineno}"


def test_the_document_lists_every_signal_and_no_other():
    rows = ROW.findall((ROOT / "docs" / "signals.md").read_text(encoding="utf-8"))
    listed = [(str(one), one.label, one.kind, one.unit, one.means) for one in Signal]
    assert rows == listed


def test_no_name_of_a_signal_is_written_anywhere_else():
    names = {str(one) for one in Signal if re.search("[_ ]", one)}  # one word may be any word
    found = [
        place
        for file, tree in TREES.items()
        for text, place in written(file, tree)
        if text in names or text.startswith("alert_")
    ]
    assert found == []


def test_every_signal_is_used():
    used = {
        node.attr
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Signal"
    }
    assert {one.name for one in Signal} - used == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_documents_name_only_alerts_that_exist(document):
    named = set(re.findall(r"`(alert_\w+)`", document.read_text(encoding="utf-8")))
    assert named - set(Signal) == set()


def test_exactly_alerts_are_called_so_and_each_says_what_to_do():
    for one in Signal:
        assert one.startswith("alert_") == (one.kind is SignalKind.ALERT)
        assert re.fullmatch(r"[A-Z].*\.", one.means), one


def test_a_label_stands_where_there_is_one_and_nowhere_else():
    assert Signal.JOBS.of("queued") == "jobs queued"
    for signal, label in ((Signal.DUPLICATE, "x"), (Signal.JOBS, "")):
        with pytest.raises(ValueError, match="is counted"):
            signal.of(label)
