"""CARD.md: what people must know of a model, with the checkpoint's own figures filled in.

The recipe names a template with ``$name`` places; every place must be known here.
"""

from pathlib import Path
from string import Template
from typing import Any

from model.checkpoint import Checkpoint


def write_card(template: Path, stored: Checkpoint, facts: dict[str, str]) -> str:
    """Fill a template with figures, decisions, provenance and further facts.

    Raises
    ------
    KeyError
        The template asks for something that is not known.
    """
    metrics = stored.metrics
    known = {name: _figure(value) for name, value in metrics.items() if _is_figure(value)}
    known |= {name: str(value) for name, value in metrics.items() if isinstance(value, int | str)}
    for section in ("gate", "baselines", "localisation"):
        known |= {f"{section}_{k}": _figure(v) for k, v in metrics.get(section, {}).items()}
    known |= {f"decision_{name}": f"{value:.3f}" for name, value in stored.decision.items()}
    known |= {f"provenance_{name}": text for name, text in stored.provenance.items()}
    return Template(template.read_text(encoding="utf-8")).substitute(known | facts)


def _is_figure(value: Any) -> bool:  # noqa: ANN401 - a value out of a checkpoint
    return isinstance(value, float | list)


def _figure(value: float | list[float]) -> str:
    if isinstance(value, list):
        middle, lower, upper = value
        return f"{middle:.3f} (95 % CI {lower:.3f} to {upper:.3f})"
    return f"{value:.3f}"
