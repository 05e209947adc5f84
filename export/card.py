"""CARD.md from a template of one's own, with the checkpoint's own figures filled in.

A template has ``$name`` places; every place must be known here. Without a template
`export.model_card` writes the card.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from string import Template

from export.figures import as_text, flat, is_figure
from model.checkpoint import Checkpoint


class CardError(Exception):
    """The template cannot be filled in; the message says why."""


def read_template(file: Path, stored: Checkpoint, facts: Iterable[str]) -> Template:
    """Read a template whose every place is known.

    Parameters
    ----------
    file : Path
    stored : Checkpoint
    facts : iterable of str
        Further places, known once the package is made.

    Raises
    ------
    CardError
        The template asks for something that is not known, or has a ``$`` that is no place.
    """
    template = Template(file.read_text(encoding="utf-8"))
    if not template.is_valid():
        raise CardError(f"card template {file}: a $ that names no place; write $$ for the sign")
    known = {*_known(stored), *facts}
    if unknown := [name for name in template.get_identifiers() if name not in known]:
        raise CardError(
            f"card template {file}: nothing is known of ${', $'.join(unknown)}; "
            f"known places: {', '.join(sorted(known))}"
        )
    return template


def fill_card(template: Template, stored: Checkpoint, facts: dict[str, str]) -> str:
    """Fill a template with figures, decisions, provenance and further facts."""
    return template.substitute(_known(stored) | facts)


def _known(stored: Checkpoint) -> dict[str, str]:
    known = {
        name: as_text(value)
        for name, value in flat(stored.metrics).items()
        if is_figure(value) or isinstance(value, str)
    }
    known |= {f"decision_{name}": f"{value:.3f}" for name, value in stored.decision.items()}
    known |= {f"provenance_{name}": text for name, text in stored.provenance.items()}
    return {re.sub(r"\W", "_", name): text for name, text in known.items()}
