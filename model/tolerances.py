"""How far a graph may answer from the network it was made of, and the record of how far it does.

The record is a flat table: one largest difference for each thing compared. Without a prefix it is
over drawn pictures (smooth ones, noise), with ``tied_`` over the adversarial ones of
`export.pictures`, with ``film_`` over real films, where export was given some. Maps are compared as
fractions of their own largest value; ``cam`` is to the network's own map, ``cam_oracle`` to
pytorch-grad-cam's.
"""

from collections.abc import Mapping
from typing import Literal

Precision = Literal["fp32", "fp16", "int8"]

LIMITS: dict[Precision, dict[str, float]] = {
    "fp32": {
        "logits": 1e-3,
        "probabilities": 1e-4,
        "gate": 1e-3,
        "cam": 1e-4,
        "cam_oracle": 1e-4,
        "landmarks": 1e-4,
        "tied_logits": 1e-3,
        "tied_probabilities": 1e-4,
        "tied_gate": 1e-3,
        "tied_cam": 1e-2,
        "tied_cam_oracle": 1e-2,
        "film_logits": 1e-3,
        "film_probabilities": 1e-4,
        "film_gate": 1e-3,
        "film_cam": 1e-3,
        "film_cam_oracle": 1e-3,
    },
    "fp16": {
        "logits": 0.1,
        "probabilities": 0.02,
        "gate": 0.1,
        "cam": 0.1,
        "landmarks": 1e-2,
        "tied_logits": 0.1,
        "tied_probabilities": 0.02,
        "tied_gate": 0.1,
        "tied_cam": 0.1,
        "film_logits": 0.1,
        "film_probabilities": 0.02,
        "film_gate": 0.1,
        "film_cam": 0.1,
    },
    "int8": {
        "logits": 0.5,
        "probabilities": 0.05,
        "gate": 0.5,
        "cam": 0.3,
        "tied_logits": 0.5,
        "tied_probabilities": 0.05,
        "tied_gate": 0.5,
        "tied_cam": 0.3,
        "film_logits": 0.5,
        "film_probabilities": 0.05,
        "film_gate": 0.5,
        "film_cam": 0.3,
    },
}
"""Allowed differences by precision. In fp32 the reference follows the graph's ranks
(`export.token_ranks`), so films need no wider limits for scores. Among many films some unit lies at
the kink of its ReLU, where a rounding switches its gradient on or off, and where all tokens are
alike it is switched in all of them: hence the wider limits for maps."""

GOLDEN_TOLERANCE: dict[Precision, float] = {"fp32": 5e-3, "fp16": 0.05, "int8": 0.1}
"""How far another machine may answer the golden input from the machine of the export: it may rank
equally sure tokens otherwise, which was seen to move logits by 1.3e-3."""

REQUIRED = (frozenset({"logits", "cam"}), frozenset({"landmarks"}))
"""A record is whole with all of one of these."""


_COMPARED = {
    "logits": ("logits", "the reference's"),
    "probabilities": ("probabilities", "the reference's"),
    "gate": ("body-part gate", "the reference's"),
    "cam": ("maps", "the reference's"),
    "cam_oracle": ("maps", "pytorch-grad-cam's"),
    "landmarks": ("landmarks", "the reference's"),
}
_PICTURES = {"tied_": "adversarial pictures", "film_": "real films"}


def compared(name: str) -> str:
    """Return a sentence on one figure of `LIMITS`: the two sides compared, and the pictures."""
    prefix = next((start for start in _PICTURES if name.startswith(start)), "")
    what, whose = _COMPARED[name.removeprefix(prefix)]
    drawn = "drawn and adversarial pictures" if name == "landmarks" else "drawn pictures"
    return f"the graph's {what} against {whose}, on {_PICTURES.get(prefix, drawn)}"


def faults(record: Mapping[str, float], precision: Precision) -> list[str]:
    """Return in words what is wrong with a record; nothing where it may be trusted."""
    if not any(needed <= record.keys() for needed in REQUIRED):
        return ["no parity results"]
    limits = LIMITS[precision]
    unknown = [f"{name} is not known" for name in record if name not in limits]
    return unknown + [
        f"{name} differs by {value:.2e}, allowed {limits[name]:.0e} ({compared(name)})"
        for name, value in record.items()
        if name in limits and not value <= limits[name]  # NaN does not pass either
    ]
