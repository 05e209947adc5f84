"""Recipes on disk: YAML that may extend another recipe, and ``key=value`` words.

``extends: FILE`` (relative to the recipe) takes every value of another recipe that this one does
not give itself. Lists are replaced whole, sections key by key.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

_MOST_EXTENDED = 8

_OLD = {
    "trainer": "there is one trainer: remove the line",
    "backbone_weights": "write network.weights",
    "mean": "write pixels.mean",
    "std": "write pixels.std",
    "data.root": "write data.manifest=FILE, and gate.refuse=FILE for the gate",
    "data.other_regions": "write data.where for all films, data.judged for those to judge by",
    "data.hand_share": "write data.sampler: shares and data.shares",
    "data.fractured_share": "write data.sampler: shares and data.shares",
    "data.gate_films": "write gate.films",
    "network.backbone_weights": "write network.weights",
    "optimiser.lr_head": "write optimiser.lr",
    "optimiser.warmup_steps": "write optimiser.warmup",
    "optimiser.bfloat16": "write optimiser.precision: bfloat16",
    "augment.films": "write its keys in augment itself; blur is called coarsen there",
}
"""Keys of recipes before there was one trainer, and how to write them now."""


class RecipeError(Exception):
    """The recipe is wrong; the message names the key."""


def read_tree(path: Path, words: Sequence[str]) -> dict[str, Any]:
    """Read a YAML file with all that it extends, and replace values by ``section.key=value`` words.

    Raises
    ------
    RecipeError
        A file cannot be read, recipes extend each other in a circle, or a word is wrong.
    """
    tree = _extended(path, ())
    for word in words:
        _replace(tree, word)
    return tree


def place(tree: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - any YAML value
    """Set a dotted key in a tree of values.

    Raises
    ------
    RecipeError
        A part of the key is a value already.
    """
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise RecipeError(f"{key}: {section} is a value, not a section")
    tree[last] = value


def refuse_old_form(tree: dict[str, Any], where: str) -> None:
    """Raise RecipeError that says how keys of before are written now, all at once."""
    found = [f"{key}: {_OLD[key]}" for key in _keys(tree) if key in _OLD]
    if found:
        raise RecipeError(f"{where}: written for the trainer of before. " + "; ".join(found))


def _extended(path: Path, before: tuple[Path, ...]) -> dict[str, Any]:
    if path in before or len(before) > _MOST_EXTENDED:
        raise RecipeError(f"{path}: extends itself, by way of {' and '.join(map(str, before))}")
    tree = _parse(path)
    base = tree.pop("extends", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise RecipeError(f"{path}: extends: give one file")
    return _merged(_extended(path.parent / base, (*before, path)), tree)


def _parse(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise RecipeError(f"{path}: holds no keys; write key: value")
    return tree


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merged(below, value) if both else value  # type: ignore[arg-type]  # both are
    return merged


def _replace(tree: dict[str, Any], word: str) -> None:
    key, equals, value = word.partition("=")
    if not equals:
        raise RecipeError(f"{word!r}: write key=value, for example optimiser.steps=100")
    try:
        place(tree, key, yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise RecipeError(f"{key}: {' '.join(str(error).split())}") from error


def _keys(tree: dict[str, Any], before: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{before}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{before}{key}.")
