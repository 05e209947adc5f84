"""Drawn wrist radiographs: our own fixtures, free of every patient, made with numpy alone.

A film is drawn in millimetres as a sum of path lengths, the way X-rays see it: soft tissue is a
flattened cylinder, a bone is a tube or a pebble whose shell (cortex) attenuates more than its
filling, so that edges come out brighter than middles without being painted. What comes out is
12-bit grey, bones bright. Scores on it mean nothing medically.
"""

import numpy as np
from numpy.typing import NDArray

from tests.support.anatomy import (
    DEPTH,
    ENVELOPE,
    FOREARM,
    HAND,
    LETTERS,
    Break,
    Pebble,
    Side,
    Tube,
    View,
)

Grid = NDArray[np.float64]

BITS = 12
SPACING_MM = 0.144
FILM_MM = (145.0, 100.0)
"""Height and width of the wrist film."""
_JOINT_MM = (62.0, 47.0)
"""Where the origin lies on the film, from its top left corner."""


def wrist(
    view: View = "PA",
    side: Side = "L",
    *,
    fracture: bool = False,
    seed: int = 1,
    spacing_mm: float = SPACING_MM,
) -> NDArray[np.uint16]:
    """Draw a wrist film.

    Parameters
    ----------
    view : "PA" or "LAT"
    side : "L" or "R"
        A right wrist is the mirror image with an R beside it.
    fracture : bool
        With a displaced transverse fracture of the distal radius.
    seed : int
        Another seed is another person: proportions, texture and noise differ a little.
    spacing_mm : float
        Distance of pixel centres; 0.144 gives 1007 x 694 pixels.

    Returns
    -------
    uint16 array, shape (rows, columns), in [0, 4095], larger is brighter
    """
    random = np.random.default_rng([seed, view == "LAT", side == "R"])
    x, y = _grid(FILM_MM, spacing_mm)
    inside = _collimation(x, y, random)
    skin = (x - _JOINT_MM[1]) / random.uniform(0.94, 1.05), y - _JOINT_MM[0]
    bones = _turned(*skin, random.uniform(-3.0, 3.0))
    tissue, bone = _wrist_thickness(view, (skin, bones), fracture=fracture, random=random)
    texture = _noise(x.shape, 0.55 / spacing_mm, random) * 0.07 + 1.0
    blotches = _noise(x.shape, 9.0 / spacing_mm, random) * 0.03 + 1.0
    density = 0.0125 * tissue * blotches + 0.046 * bone * texture
    signal = 1.0 - np.exp(-0.85 * density)
    if side == "R":
        signal = signal[:, ::-1]
    signal = np.maximum(signal, 0.93 * _marker(x, y, side))
    signal = 0.045 + 0.95 * signal * (0.12 + 0.88 * inside) - 0.04 * (1.0 - inside)
    return _film(signal, random, grain=0.006)


def chest(*, seed: int = 1, spacing_mm: float = 0.5) -> NDArray[np.uint16]:
    """Draw a frontal chest film: two lungs, ribs, heart and diaphragm; certainly no wrist.

    Returns
    -------
    uint16 array, shape (rows, columns), in [0, 4095], larger is brighter
    """
    random = np.random.default_rng([seed, 7])
    x, y = _grid((400.0, 400.0), spacing_mm)
    x, y = x - 200.0, y - 200.0
    body = _inside(np.hypot(x / 190, (y - 60) / 330), 0.03)
    lungs = sum(
        _inside(np.hypot((x - at) / 62, (y + 5) / (125 + 25 * np.clip(y / 100, -1, 1))), 0.06)
        for at in (-82.0, 82.0)
    )
    lungs = lungs * _inside((y + 0.12 * np.abs(x) - 118) / 100 + 1, 0.03)
    heart = _inside(np.hypot((x - 22) / 68, (y - 62) / 58), 0.05)
    spine = np.exp(-((x / 20) ** 4)) * (1 + 0.1 * np.sin(y / 4.2))
    density = body * (0.62 - 0.45 * lungs * (1 - 0.85 * heart) + 0.14 * spine)
    for rib in range(9):
        for flip in (-1.0, 1.0):
            arc = y + 150 - 31 * rib - 34 * np.sin(np.clip(flip * x / 150, 0, 1) * np.pi * 0.8)
            density += 0.07 * np.exp(-((arc / 5.0) ** 4)) * (flip * x > 12) * body
    vessels = _noise(x.shape, 3.0 / spacing_mm, random) * 0.02 * lungs
    return _film(density + vessels, random, grain=0.008)


def _wrist_thickness(
    view: View,
    places: tuple[tuple[Grid, Grid], tuple[Grid, Grid]],
    *,
    fracture: bool,
    random: np.random.Generator,
) -> tuple[Grid, Grid]:
    """Return the path lengths through soft tissue and through bone, mm."""
    (skin_x, skin_y), (x, y) = places
    tissue = _envelope(skin_x, skin_y, view)
    radius, ulna = FOREARM[view]
    bone = _tube(ulna, x, y)
    bone += _broken(radius, x, y, Break(), random) if fracture else _tube(radius, x, y)
    for part in HAND[view]:
        if isinstance(part, Tube):
            bone += _tube(part, x, y)
        else:
            bone += _pebble(part, x, y, random)
    return tissue, bone


def _tube(tube: Tube, x: Grid, y: Grid, shift: Grid | float = 0.0) -> Grid:
    """Project a tube: the path through its outer surface, less most of that through its canal."""
    (x0, y0), (x1, y1) = tube.start, tube.end
    length = float(np.hypot(x1 - x0, y1 - y0))
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    along = (x - x0) * ux + (y - y0) * uy
    across = (x - x0) * uy - (y - y0) * ux - shift
    across = across - tube.bow * np.sin(np.pi * np.clip(along / length, 0, 1))
    depth = along - tube.slant * across + 0.012 * across**2
    half = np.interp(along / length, *zip(*tube.profile, strict=True))
    cortex = tube.cortex * np.interp(along / length, [0, 0.12, 0.4, 1], [0.35, 0.45, 1, 1])
    outer = _chord(half, across) * _inside(1 - depth / 1.2, 0.5) * (along < length)
    canal = _chord(half - cortex, across) * _inside(1 - (depth - 1.3) / 1.0, 0.6)
    spongy = np.interp(along / length, [0, 0.2, 0.45, 1], [0.5, 0.4, 0.08, 0.08])
    return tube.density * (outer - canal * (1 - spongy) * (outer > 0))


def _broken(tube: Tube, x: Grid, y: Grid, fracture: Break, random: np.random.Generator) -> Grid:
    """Project a tube whose distal part is displaced, with a ragged dark line between."""
    ragged = np.convolve(random.normal(size=600), np.ones(9) / 9, "same") * 2.6
    rough = np.interp(x, np.linspace(-40, 40, ragged.size), ragged)
    line = y - tube.start[1] - fracture.at - fracture.slope * (x - tube.start[0]) - rough
    distal = _inside(1 + line / 0.5, 0.5)
    whole = _tube(tube, x, y, shift=fracture.step * distal)
    compressed = 1 + 0.18 * np.exp(-(((line + 2.2) / 1.8) ** 2))
    return whole * compressed * (1 - 0.75 * np.exp(-((line / fracture.gap) ** 2)))


def _pebble(pebble: Pebble, x: Grid, y: Grid, random: np.random.Generator) -> Grid:
    """Project a shell of cortex around spongy bone, its outline a little uneven."""
    u, v = _turned(x - pebble.x, y - pebble.y, pebble.turn)
    angle = np.arctan2(v / pebble.b, u / pebble.a)
    uneven = sum(
        random.normal(scale=0.028) * np.cos(order * angle + random.uniform(0, 6.3))
        for order in (2, 3, 4, 5)
    )
    reach = ((np.abs(u / pebble.a)) ** 2.6 + (np.abs(v / pebble.b)) ** 2.6) ** (1 / 2.6)
    reach = reach / (1 + uneven)
    thick = 0.8 * (pebble.a + pebble.b) / 2
    rim = 1 - pebble.cortex / min(pebble.a, pebble.b)
    outer = np.sqrt(np.clip(1 - reach**2, 0, None))
    inner = np.sqrt(np.clip(rim**2 - reach**2, 0, None))
    return pebble.density * 2 * thick * (outer - 0.5 * inner)


def _envelope(x: Grid, y: Grid, view: View) -> Grid:
    """Return the path length through the soft tissue, mm."""
    rows, left, right = zip(*ENVELOPE[view], strict=True)
    left_edge, right_edge = np.interp(y, rows, left), np.interp(y, rows, right)
    middle, half = (left_edge + right_edge) / 2, (right_edge - left_edge) / 2
    flat = np.clip(1 - np.abs((x - middle) / half) ** 2.6, 0, None)
    return 2 * DEPTH[view] * flat**0.5


def _chord(half: Grid, across: Grid) -> Grid:
    """Return the path length through a cylinder of this half-width at this distance, mm."""
    return 2 * np.sqrt(np.clip(np.clip(half, 0, None) ** 2 - across**2, 0, None))


def _collimation(x: Grid, y: Grid, random: np.random.Generator) -> Grid:
    """Return 1 inside the collimated field and 0 outside, with a soft edge."""
    height, width = FILM_MM
    u, v = _turned(x - width / 2, y - height / 2, random.uniform(-2.0, 2.0))
    across, down = width / 2 - random.uniform(2, 4), height / 2 - random.uniform(2, 4)
    edge = np.minimum(across - np.abs(u), down - np.abs(v))
    return 1 / (1 + np.exp(-np.clip(edge / 0.45, -40, 40)))


def _marker(x: Grid, y: Grid, side: Side) -> Grid:
    """Return 1 on the strokes of the side letter."""
    left, top = (9.0, 88.0) if side == "L" else (FILM_MM[1] - 15.0, 88.0)
    strokes = [_distance(x - left, y - top, start, end) for start, end in LETTERS[side]]
    return np.asarray(np.minimum.reduce(strokes) < 0.9, dtype=np.float64)


def _distance(x: Grid, y: Grid, start: tuple[float, float], end: tuple[float, float]) -> Grid:
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)


def _inside(reach: Grid, softness: float) -> Grid:
    """Return 1 where reach < 1, falling to 0 over the softness."""
    return np.clip((1 - reach) / softness + 0.5, 0, 1)


def _turned(x: Grid, y: Grid, degrees: float) -> tuple[Grid, Grid]:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return x * cosine + y * sine, y * cosine - x * sine


def _grid(size_mm: tuple[float, float], spacing_mm: float) -> tuple[Grid, Grid]:
    rows, columns = (round(side / spacing_mm) for side in size_mm)
    y, x = np.mgrid[:rows, :columns]
    return (x + 0.5) * spacing_mm, (y + 0.5) * spacing_mm


def _noise(shape: tuple[int, ...], width: float, random: np.random.Generator) -> Grid:
    """Return noise of deviation 1, smoothed with a Gaussian of this width in pixels."""
    frequencies = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :])
    low_pass = np.exp(-2 * (np.pi * frequencies * width) ** 2)
    smooth = np.fft.irfft2(np.fft.rfft2(random.normal(size=shape)) * low_pass, shape)
    return smooth / smooth.std()


def _film(signal: Grid, random: np.random.Generator, grain: float) -> NDArray[np.uint16]:
    """Add grain and digitise to 12 bits."""
    noisy = signal + grain * _noise(signal.shape, 0.6, random)
    return np.round(np.clip(noisy, 0, 1) * (2**BITS - 1)).astype(np.uint16)
