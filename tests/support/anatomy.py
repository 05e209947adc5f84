"""The anatomy that `tests.support.phantoms` draws: bones, skin and side letters, in millimetres.

The hand points up, the origin is the middle of the radiocarpal joint, x grows towards the radius
of a left hand and y towards the elbow. Proportions are those of a slim adult, by eye.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

View = Literal["PA", "LAT"]
Side = Literal["L", "R"]


@dataclass(frozen=True)
class Tube:
    """A long bone: `profile` lists (distance along the axis, half-width) from 0 to 1, mm."""

    start: tuple[float, float]
    end: tuple[float, float]
    profile: Sequence[tuple[float, float]]
    cortex: float = 1.6
    bow: float = 0.0
    slant: float = 0.0
    density: float = 1.0


@dataclass(frozen=True)
class Pebble:
    """A carpal bone: a rounded box at (x, y) with two half-axes in mm, turned by degrees."""

    x: float
    y: float
    a: float
    b: float
    turn: float = 0.0
    cortex: float = 0.9
    density: float = 1.0


@dataclass(frozen=True)
class Break:
    """A fracture of the radius: where along the axis (mm), its slope, gap and step in mm."""

    at: float = 19.0
    slope: float = 0.28
    gap: float = 0.75
    step: float = 1.7


RADIUS_PA = Tube(
    (8.5, -1.5),
    (4.5, 85.0),
    [(0, 13.5), (0.05, 14.8), (0.13, 14.3), (0.28, 9.6), (0.45, 6.8), (1, 6.3)],
    cortex=2.2,
    bow=2.5,
    slant=-0.36,
)
ULNA_PA = Tube(
    (-16.5, 1.0),
    (-18.5, 85.0),
    [(0, 6.6), (0.05, 8.0), (0.12, 7.4), (0.27, 4.8), (1, 5.7)],
    cortex=2.0,
    slant=0.1,
)
WRIST_PA: tuple[Tube | Pebble, ...] = (
    Pebble(11.5, -11.5, 6.0, 10.5, 38),
    Pebble(-3.5, -8.0, 7.6, 6.2, 8),
    Pebble(-15.0, -12.0, 6.0, 6.6, -30),
    Pebble(-17.5, -14.0, 3.6, 4.6, -10, density=0.7),
    Pebble(21.0, -22.5, 6.6, 6.0, 30),
    Pebble(12.5, -25.0, 5.0, 5.6, 15),
    Pebble(2.5, -22.0, 6.3, 10.0, 4),
    Pebble(-8.5, -23.0, 6.8, 8.4, -14),
    Pebble(-21.5, -0.5, 1.9, 3.2, 12),
    Tube((27.5, -29.0), (43.0, -64.0), [(0, 7.2), (0.15, 6.2), (0.5, 4.4), (0.9, 5.6), (1, 5)]),
    Tube((11.5, -31.5), (19.0, -86.0), [(0, 6.6), (0.12, 5.6), (0.5, 3.9), (1, 4.6)]),
    Tube((1.5, -33.0), (4.5, -86.0), [(0, 6.2), (0.12, 5.2), (0.5, 3.8), (1, 4.4)]),
    Tube((-8.0, -32.5), (-10.0, -86.0), [(0, 5.4), (0.12, 4.6), (0.5, 3.3), (1, 4.0)]),
    Tube((-15.0, -31.0), (-24.0, -82.0), [(0, 5.6), (0.12, 4.8), (0.5, 3.4), (1, 4.2)]),
)
RADIUS_LAT = Tube(
    (-1.0, -1.0),
    (-4.0, 85.0),
    [(0, 9.6), (0.05, 10.4), (0.13, 9.4), (0.3, 6.6), (0.5, 5.8), (1, 5.8)],
    cortex=2.2,
    bow=-1.5,
    slant=0.18,
)
ULNA_LAT = Tube(
    (4.0, -4.0),
    (8.5, 85.0),
    [(0, 5.6), (0.06, 7.0), (0.15, 6.0), (0.3, 4.5), (1, 5.3)],
    cortex=2.0,
    density=0.85,
)
WRIST_LAT: tuple[Tube | Pebble, ...] = (
    Pebble(-0.5, -8.0, 6.2, 8.0, 10),
    Pebble(-6.0, -11.0, 5.2, 11.0, -32, density=0.8),
    Pebble(4.5, -11.5, 5.4, 6.5, 20, density=0.8),
    Pebble(-12.5, -13.0, 4.0, 5.0, 0, density=0.7),
    Pebble(0.5, -21.0, 6.4, 10.0, -4),
    Pebble(4.0, -22.5, 6.6, 8.5, 12, density=0.75),
    Pebble(-6.5, -25.0, 6.2, 6.4, 20, density=0.8),
    Pebble(-1.0, -26.0, 5.2, 6.2, 0, density=0.7),
    Tube((-9.0, -30.0), (-25.0, -66.0), [(0, 6.4), (0.15, 5.6), (0.5, 4.2), (1, 5.2)]),
    Tube((0.5, -32.0), (0.0, -86.0), [(0, 6.4), (0.12, 5.4), (0.5, 3.9), (1, 4.6)], density=0.9),
    Tube((2.0, -32.0), (4.5, -86.0), [(0, 6.2), (0.12, 5.2), (0.5, 3.8), (1, 4.4)], density=0.8),
    Tube((3.5, -31.0), (8.5, -86.0), [(0, 5.4), (0.12, 4.6), (0.5, 3.3), (1, 4.0)], density=0.8),
)
ENVELOPE: dict[View, list[tuple[float, float, float]]] = {
    "PA": [
        (-62, -34, 50),
        (-34, -30, 40),
        (-22, -29, 34),
        (0, -30, 30),
        (30, -33, 30),
        (85, -40, 38),
    ],
    "LAT": [
        (-62, -32, 20),
        (-40, -24, 17),
        (-15, -20, 16),
        (0, -21, 17),
        (30, -24, 20),
        (85, -32, 27),
    ],
}
"""Skin: y, left edge, right edge, mm."""
DEPTH = {"PA": 17.0, "LAT": 26.0}
"""Half the thickness of the soft tissue along the beam, mm."""
LETTERS: dict[Side, list[tuple[tuple[float, float], tuple[float, float]]]] = {
    "L": [((0, 0), (0, 10)), ((0, 10), (5, 10))],
    "R": [
        ((0, 0), (0, 10)),
        ((0, 0), (4, 0)),
        ((4, 0), (5.5, 2.5)),
        ((5.5, 2.5), (4, 5)),
        ((4, 5), (0, 5)),
        ((2.5, 5), (5.5, 10)),
    ],
}

FOREARM = {"PA": (RADIUS_PA, ULNA_PA), "LAT": (RADIUS_LAT, ULNA_LAT)}
HAND = {"PA": WRIST_PA, "LAT": WRIST_LAT}
