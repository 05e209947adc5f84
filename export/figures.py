"""Figures of a checkpoint, by flat names and as text."""

import math
from collections.abc import Mapping
from typing import Any

UNMEASURED = "not measured"
_INTERVAL = 3


def flat(figures: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return every value of nested mappings by its dotted name: ``gate.hands_accepted``."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        whole = f"{before}{name}"
        found |= flat(value, f"{whole}.") if isinstance(value, Mapping) else {whole: value}
    return found


def is_figure(value: object) -> bool:
    """Tell whether a value is a number, or [value, lower, upper]."""
    if isinstance(value, list | tuple):
        return len(value) == _INTERVAL and all(_is_number(part) for part in value)
    return _is_number(value)


def as_text(value: Any) -> str:  # noqa: ANN401 - a value out of a checkpoint
    """Return a figure to three decimals, with its interval where it has one."""
    if isinstance(value, list | tuple):
        middle, lower, upper = map(as_text, value)
        return middle if middle == UNMEASURED else f"{middle} (95 % CI {lower} to {upper})"
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else UNMEASURED
    return UNMEASURED if value is None else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
