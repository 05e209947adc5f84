"""The rules of the house that a person would forget to check."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from daemon.settings import Settings
from daemon.settings.models import SHIPPED
from daemon.settings.peers import KINDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("daemon", "model", "export", "training")
LINES_OF_A_FILE = 300
LINES_OF_A_BODY = 40
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "handler", "misc"}

SOURCES = sorted(
    file
    for package in PACKAGES
    for file in (ROOT / package).rglob("*.py")
    if "migrations" not in file.parts
)

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import numpy
touched = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        touched.append(event)
sys.addaudithook(watch)
import daemon
for module in pkgutil.walk_packages(daemon.__path__, "daemon."):
    if not module.name.endswith("__main__") and ".migrations" not in module.name:
        importlib.import_module(module.name)
heavy = {"torch", "torchvision", "timm", "onnx"} & set(sys.modules)
sys.exit(f"network: {touched}, heavy: {heavy}" if touched or heavy else 0)
"""


def _bodies(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Give each function with the lines of its body, docstring not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body:
                yield node.name, (node.end_lineno or 0) - body[0].lineno + 1


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Give every setting by its dotted name with its default (... where it has none)."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _fields(inner, f"{prefix}{name}.")
        elif name == "models":
            yield from _fields(get_args(inner)[0], f"{prefix}{name}.")
        elif name in KINDS:
            union, _discriminator = get_args(get_args(inner)[0])
            for block in get_args(union):
                kind, *_like_it = get_args(block.model_fields["kind"].annotation)
                yield from _fields(block, f"{prefix}{name}.{kind}.")
        else:
            default = (
                ...
                if field.is_required() or name == "kind"
                else field.get_default(call_default_factory=True)
            )
            yield f"{prefix}{name}", list(default) if isinstance(default, tuple) else default


def _documented() -> dict[str, tuple[object, str]]:
    """Give every key of settings.toml with its value and the comment above it.

    Blocks that nobody has by default are shown as comments without a blank; those of a kind begin
    with it.
    """
    found: dict[str, tuple[object, str]] = {}
    section, comment = "", ""
    text = (ROOT / "settings.toml").read_text(encoding="utf-8")
    for line in re.sub(r"(?m)^#(?=\S)", "", text).splitlines():
        if line.startswith("#"):
            comment += line
        elif line.startswith("["):
            section, comment = line.strip("[]"), ""
        elif match := re.match(r"(\w+) = (.*)", line):
            value = tomllib.loads(line)[match[1]]
            if match[1] == "kind":
                section += f".{value}"
            found[f"{section}.{match[1]}"] = value, comment
            comment = ""
        else:
            comment = ""
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_is_short_and_so_is_every_body(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_OF_A_FILE
    assert [entry for entry in _bodies(ast.parse(text)) if entry[1] > LINES_OF_A_BODY] == []


def test_no_module_has_a_name_that_says_nothing():
    assert [file for file in SOURCES if file.stem in VAGUE_NAMES] == []


def test_shipped_settings_document_every_setting_with_its_default():
    documented, fields = _documented(), dict(_fields(Settings))
    fields["models.package"] = SHIPPED.package  # without any block; in a block it is required
    assert documented.keys() == fields.keys()
    for key, (value, comment) in documented.items():
        assert comment.strip("# "), f"{key} has no comment"
        if fields[key] is not ...:
            assert value == fields[key], f"{key}: the file does not show the default"
            assert "Default" in comment, f"{key}: the comment does not name the default"


def test_every_file_that_contributors_are_sent_to_exists():
    named = re.findall(r"`([\w./-]*/[\w./-]*)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(named) > 20
    missing = [
        one for one in named if not any((at / one).exists() for at in (ROOT, ROOT / "daemon"))
    ]
    assert missing == []


def test_importing_the_daemon_touches_no_network_and_no_torch():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
