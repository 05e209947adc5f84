"""The pixel contract: how a radiograph becomes network input, and how to get back.

Training, the export parity gate and the daemon all read pixels through this module, so the same
picture gives the same input everywhere. The steps, in order:

1. padding pixels take the darkest valid value; MONOCHROME1 is turned so that larger is brighter;
2. the whole image is letterboxed: one scale for both axes in *millimetres* (pixels that are not
   square are made square), antialiased bilinear resampling, centred on black;
3. the window is cut at two percentiles of the resampled image and stretched to [0, 1];
4. the grey channel is repeated three times and normalised with a mean and a deviation.

Resampling and percentiles commute with every affine change of the pixel values, so bit depth,
rescale slope and a linear window that clips nothing do not change the result.
A manifest names `CONTRACT_VERSION`; a daemon of another version refuses the package.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

CONTRACT_VERSION = 1

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One decoded image with what its meaning depends on.

    Attributes
    ----------
    values : float32 array, shape (rows, columns)
        After modality LUT and VOI LUT, before any inversion; finite.
    inverted : bool
        True where a larger value means darker (MONOCHROME1, or PresentationLUTShape INVERSE).
    spacing_mm : (row spacing, column spacing) or None
        Distance between pixel centres (PS3.3 10.7.1.3); None when the source does not say.
    aspect : float
        Height over width of one pixel (PixelAspectRatio); counts only without `spacing_mm`.
    padding : bool array, shape (rows, columns), or None
        True where a pixel is padding (PixelPaddingValue) and carries no signal.
    laterality : "L", "R" or None
    view : "PA", "LAT", "OBL" or None
    """

    values: NDArray[np.float32]
    inverted: bool = False
    spacing_mm: tuple[float, float] | None = None
    aspect: float = 1.0
    padding: NDArray[np.bool_] | None = None
    laterality: Literal["L", "R"] | None = None
    view: Literal["PA", "LAT", "OBL"] | None = None


class PixelProfile(BaseModel):
    """A named set of choices; it travels in the manifest of every model package.

    ``letterbox`` is the only geometry of contract version 1; a crop is square and fills the input.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["letterbox"] = "letterbox"
    size: int = Field(ge=32, le=2048, description="side of the square network input, pixels")
    low_percentile: float = Field(default=0.5, ge=0, lt=50)
    high_percentile: float = Field(default=99.5, gt=50, le=100)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


@dataclass(frozen=True)
class Placement:
    """Where the radiograph lies in the network input: ``input = source * scale + offset``.

    Both coordinate systems are continuous with (0, 0) at the outer corner of the first pixel,
    which is also what DICOM graphic annotations use up to half a pixel (PS3.3 C.10.5.1.2).
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    rows: int
    columns: int

    def to_source(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (x, y) points of the input, shape (n, 2), to source pixels, clipped to the image."""
        return np.clip(self.unclipped(points), 0.0, [float(self.columns), float(self.rows)])

    def unclipped(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (x, y) points of the input, shape (n, 2), to source pixels, also beyond the image."""
        scale = np.array([self.scale_x, self.scale_y])
        offset = np.array([self.offset_x, self.offset_y])
        mapped: NDArray[np.float64] = (points - offset) / scale
        return mapped

    def on_grid(self, rows: int, columns: int) -> "Placement":
        """Return the same place in a source that was resampled to another grid."""
        return replace(
            self,
            rows=rows,
            columns=columns,
            scale_x=self.scale_x * self.columns / columns,
            scale_y=self.scale_y * self.rows / rows,
        )

    def map_to_source(self, evidence: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Resample a map over the network input to the source image.

        Parameters
        ----------
        evidence : float32 array, shape (h, w)
            Any grid that covers the square network input.
        size : int
            Side of the network input in pixels (the profile's).

        Returns
        -------
        float32 array, shape (rows, columns)
        """
        height, width = evidence.shape
        right = self.offset_x + self.columns * self.scale_x
        bottom = self.offset_y + self.rows * self.scale_y
        box = (
            self.offset_x * width / size,
            self.offset_y * height / size,
            right * width / size,
            bottom * height / size,
        )
        image = Image.fromarray(np.ascontiguousarray(evidence, dtype=np.float32))
        resized = image.resize(
            (self.columns, self.rows), resample=Image.Resampling.BICUBIC, box=box
        )
        return np.clip(np.asarray(resized, dtype=np.float32), 0.0, None)


def to_unit(radiograph: Radiograph, profile: PixelProfile) -> tuple[NDArray[np.float32], Placement]:
    """Window and letterbox a radiograph: steps 1 to 3 of the contract.

    Returns
    -------
    unit : float32 array, shape (size, size), in [0, 1], larger is brighter
    placement : Placement

    Raises
    ------
    ValueError
        The array is not two-dimensional and finite, or holds no contrast at all.
    """
    bright = bright_values(radiograph)
    rows, columns = bright.shape
    inner_columns, inner_rows = _inner_size(radiograph, profile.size)
    resized = np.asarray(
        Image.fromarray(bright).resize(
            (inner_columns, inner_rows), resample=Image.Resampling.BILINEAR
        )
    )
    left, top = (profile.size - inner_columns) // 2, (profile.size - inner_rows) // 2
    unit = np.zeros((profile.size, profile.size), dtype=np.float32)
    unit[top : top + inner_rows, left : left + inner_columns] = windowed(resized, resized, profile)
    placement = Placement(
        scale_x=inner_columns / columns,
        scale_y=inner_rows / rows,
        offset_x=float(left),
        offset_y=float(top),
        rows=rows,
        columns=columns,
    )
    return unit, placement


def windowed(
    picture: NDArray[np.float32], counted: NDArray[np.float32], profile: PixelProfile
) -> NDArray[np.float32]:
    """Step 3: stretch a picture to [0, 1] between two percentiles of the values that count.

    Raises
    ------
    ValueError
        They hold no contrast at all.
    """
    low, high = np.percentile(counted, [profile.low_percentile, profile.high_percentile])
    if not high > low:
        raise ValueError("the image has no contrast: its percentiles are all the same value")
    stretched: NDArray[np.float32] = np.clip((picture - low) / (high - low), 0.0, 1.0)
    return stretched.astype(np.float32)


def normalise(unit: NDArray[np.float32], profile: PixelProfile) -> NDArray[np.float32]:
    """Step 4: (size, size) in [0, 1] -> float32 (3, size, size), zero mean and unit deviation."""
    mean = np.asarray(profile.mean, dtype=np.float32)[:, None, None]
    std = np.asarray(profile.std, dtype=np.float32)[:, None, None]
    normalised: NDArray[np.float32] = (unit[None].astype(np.float32) - mean) / std
    return normalised


def prepare(radiograph: Radiograph, profile: PixelProfile) -> tuple[NDArray[np.float32], Placement]:
    """All steps: a radiograph -> network input, float32 (3, size, size), and its placement."""
    unit, placement = to_unit(radiograph, profile)
    return normalise(unit, profile), placement


def bright_values(radiograph: Radiograph) -> NDArray[np.float32]:
    """Step 1: values of which larger is brighter, padding as dark as the darkest valid value.

    Raises
    ------
    ValueError
        The array is not two-dimensional and finite, or every pixel is padding.
    """
    values = np.ascontiguousarray(radiograph.values, dtype=np.float32)
    if values.ndim != 2 or min(values.shape) == 0:  # noqa: PLR2004 - an image has two axes
        raise ValueError(f"a radiograph has two axes, not shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("a radiograph holds finite values only")
    bright = -values if radiograph.inverted else values
    if radiograph.padding is None or not radiograph.padding.any():
        return bright
    if radiograph.padding.all():
        raise ValueError("every pixel of the radiograph is padding")
    return np.where(radiograph.padding, bright[~radiograph.padding].min(), bright)


def _inner_size(radiograph: Radiograph, size: int) -> tuple[int, int]:
    """Columns and rows of the picture inside a square of `size`, pixels made square."""
    rows, columns = radiograph.values.shape
    row_mm, column_mm = radiograph.spacing_mm or (radiograph.aspect, 1.0)
    height, width = rows * row_mm, columns * column_mm
    scale = size / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))
