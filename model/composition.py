"""What happens between the networks of one package: landmarks, crop, mean of members, fusion.

Training, export and the daemon do it through this module, so that all do the same. Coordinates are
those of `model.pixels.Placement`: (x, y), continuous, (0, 0) at the outer corner of the first
pixel. Landmarks of a network are fractions of its input's side in the same sense.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator

from model.cropping import CropPlacement
from model.pixels import Placement, Radiograph
from model.verified import Record

Rule = Literal["mean", "max"]
Activation = Literal["softmax", "sigmoid"]

_CURVED = 1e-6
"""Least curvature of a peak by which it is refined."""


class Reference(Record):
    """Two landmarks whose distance is known well enough to stand in for the pixel spacing."""

    landmarks: tuple[int, int]
    length_mm: float = Field(gt=0)


class Crop(Record):
    """A square around landmarks, in millimetres.

    ``centre``: indices of the landmarks in whose mean it lies, before it is moved by ``offset_mm``
    (to the right, downwards in the crop). ``axis``: the direction from the first landmark to the
    second points downwards in the crop; without it the crop is upright. ``without_spacing``: what
    tells the scale of an image that has no pixel spacing; without it such an image is refused.
    """

    size_mm: float = Field(gt=0, le=1000)
    centre: tuple[int, ...] = Field(min_length=1)
    offset_mm: tuple[float, float] = (0.0, 0.0)
    axis: tuple[int, int] | None = None
    without_spacing: Reference | None = None
    padding: Literal["black"] = Field(default="black", description="what lies beyond the image")
    least_inside: float = Field(
        default=0.5, ge=0.1, le=1, description="share of the crop that must lie on the image"
    )

    @model_validator(mode="after")
    def _two_places(self) -> "Crop":
        pairs = [self.axis, self.without_spacing.landmarks if self.without_spacing else None]
        if any(pair is not None and pair[0] == pair[1] for pair in pairs):
            raise ValueError("a direction or a length needs two different landmarks")
        return self

    @property
    def used(self) -> tuple[int, ...]:
        """Indices of all landmarks that it needs, each once."""
        further = self.without_spacing.landmarks if self.without_spacing else ()
        return tuple(dict.fromkeys((*self.centre, *(self.axis or ()), *further)))


def peaks(heat: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the highest place of each heat map, finer than its cells.

    The logarithms of the highest cell and its two neighbours along each axis lie on a parabola,
    which is exact for a Gaussian; the summit moves by half a cell at most.

    Parameters
    ----------
    heat : float32 array, shape (landmarks, rows, columns), >= 0

    Returns
    -------
    places : float64 array, shape (landmarks, 2)
        (x, y) as fractions of the sides.
    heights : float64 array, shape (landmarks,)
        The highest cell; NaN where a map is not finite.
    """
    places = np.full((len(heat), 2), np.nan)
    heights = np.full(len(heat), np.nan)
    for number, one in enumerate(heat.astype(np.float64)):
        if not np.isfinite(one).all():
            continue
        row, column = np.unravel_index(int(one.argmax()), one.shape)
        x = column + 0.5 + _summit(one[row], int(column))
        y = row + 0.5 + _summit(one[:, column], int(row))
        places[number] = x / one.shape[1], y / one.shape[0]
        heights[number] = one[row, column]
    return places, heights


def centres_of_mass(heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean place of each heat map's heat, (landmarks, 2), (x, y) as fractions."""
    whole = np.clip(heat.astype(np.float64), 0.0, None)
    mass = np.maximum(whole.sum(axis=(1, 2)), np.finfo(np.float64).tiny)
    rows, columns = whole.shape[1:]
    x = whole.sum(axis=1) @ ((np.arange(columns) + 0.5) / columns)
    y = whole.sum(axis=2) @ ((np.arange(rows) + 0.5) / rows)
    return np.asarray(np.stack([x, y], axis=-1) / mass[:, None])


def on_source(
    fractions: NDArray[np.float64], placement: Placement, size: int
) -> NDArray[np.float64]:
    """Map landmarks (n, 2) of a network's input to source pixels; NaN where off the image."""
    points = placement.unclipped(fractions * size)
    limit = [placement.columns, placement.rows]
    is_off = ~((points >= 0).all(axis=1) & (points <= limit).all(axis=1))
    points[is_off] = np.nan
    return points


def pixel_mm(
    radiograph: Radiograph, landmarks: NDArray[np.float64], reference: Reference | None
) -> tuple[float, float] | None:
    """Return (height, width) of a pixel in mm; None where nothing tells it.

    Parameters
    ----------
    radiograph : Radiograph
        Its own spacing counts first.
    landmarks : float64 array, shape (n, 2)
        (x, y) in source pixels.
    reference : Reference or None
        Tells the scale of an image without spacing.
    """
    if radiograph.spacing_mm is not None or reference is None:
        return radiograph.spacing_mm
    first, second = (landmarks[index] for index in reference.landmarks)
    length = float(np.hypot(second[0] - first[0], (second[1] - first[1]) * radiograph.aspect))
    if not length > 0:
        return None
    width = reference.length_mm / length
    return width * radiograph.aspect, width


def place_crop(
    crop: Crop,
    landmarks: NDArray[np.float64],
    pixel: tuple[float, float],
    shape: tuple[int, int],
    size: int,
) -> CropPlacement:
    """Lay a crop around its landmarks.

    Parameters
    ----------
    crop : Crop
    landmarks : float64 array, shape (n, 2)
        (x, y) in source pixels; those that the crop uses are finite.
    pixel : (height, width) of a source pixel, mm
    shape : (rows, columns) of the source
    size : int
        Side of the network input, pixels.

    Raises
    ------
    ValueError
        The landmarks of its axis are one place.
    """
    width_mm = np.array([pixel[1], pixel[0]])
    places = landmarks * width_mm
    down = np.array([0.0, 1.0])
    if crop.axis is not None:
        way = places[crop.axis[1]] - places[crop.axis[0]]
        if not np.hypot(*way) > 0:
            raise ValueError("the landmarks of the crop's axis are one place")
        down = way / np.hypot(*way)
    across = np.array([down[1], -down[0]])
    right, below = crop.offset_mm
    half = crop.size_mm / 2
    middle = places[list(crop.centre)].mean(axis=0)
    corner = middle + across * (right - half) + down * (below - half)
    step = crop.size_mm / size
    return CropPlacement(
        origin=_point(corner / width_mm),
        across=_point(across * step / width_mm),
        down=_point(down * step / width_mm),
        rows=shape[0],
        columns=shape[1],
    )


def activated(logits: NDArray[np.float64], activation: Activation) -> NDArray[np.float64]:
    """Turn logits [..., classes] into probabilities of the same shape."""
    if activation == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(-logits)))
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def mean_of_members(
    logits: Sequence[NDArray[np.float64]],
    activations: Sequence[Activation],
    of: Literal["probabilities", "logits"],
) -> NDArray[np.float64]:
    """Return the mean of several classifiers, probabilities [..., classes].

    Parameters
    ----------
    logits : sequence of float64 arrays, shape (..., classes)
        Of each member, divided by its temperature.
    activations : sequence of "softmax" or "sigmoid"
        Of each member; of logits the mean is taken where they are all alike.
    of : "probabilities" or "logits"
    """
    if of == "logits":
        return activated(np.mean(logits, axis=0), activations[0])
    each = [activated(one, how) for one, how in zip(logits, activations, strict=True)]
    return np.asarray(np.mean(each, axis=0))


def mean_maps(maps: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean of evidence maps of any grids, each as fractions of its own maximum.

    They come on the finest grid; a map that is zero everywhere, or not finite, counts as zero.
    """
    rows, columns = max(one.shape[0] for one in maps), max(one.shape[1] for one in maps)
    resized = [_resized(_of_maximum(one), rows, columns) for one in maps]
    mean: NDArray[np.float32] = np.mean(resized, axis=0, dtype=np.float32)
    return mean


def fuse(views: Mapping[str, Sequence[float]], rule: Rule) -> float:
    """Return one score for several views of one thing; with one view only, that view's.

    Parameters
    ----------
    views : mapping view -> scores in [0, 1] of its images
        The highest image of a view counts.
    rule : "mean" or "max" of the views
    """
    highest = [max(scores) for scores in views.values() if scores]
    return float(np.mean(highest)) if rule == "mean" else max(highest)


def _summit(line: NDArray[np.float64], at: int) -> float:
    """Return how far a line's summit lies from its highest cell, in [-0.5, 0.5] cells."""
    if at in (0, len(line) - 1) or line[at - 1] <= 0 or line[at + 1] <= 0:
        return 0.0
    left, middle, right = np.log(line[at - 1 : at + 2])
    curvature = 2 * middle - left - right
    if curvature < _CURVED:
        return 0.0
    return float(np.clip((right - left) / (2 * curvature), -0.5, 0.5))


def _point(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _of_maximum(one: NDArray[np.float32]) -> NDArray[np.float32]:
    highest = float(one.max())
    if not np.isfinite(one).all() or highest <= 0:
        return np.zeros_like(one)
    return one / np.float32(highest)


def _resized(one: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    if one.shape == (rows, columns):
        return one
    image = Image.fromarray(np.ascontiguousarray(one, dtype=np.float32))
    return np.asarray(image.resize((columns, rows), resample=Image.Resampling.BILINEAR))
