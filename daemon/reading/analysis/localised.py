"""Landmarks, a crop in millimetres around them, and what another analysis makes of the crop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from daemon.dicom.header import Header
from daemon.reading.analysis.prediction import Analysis, Prediction, Prepared
from daemon.reading.analysis.single import letterboxed
from daemon.reading.decoded import Decoded
from daemon.reading.device.outputs import PREDICTED, LandmarkOutput, Runs
from daemon.records import Reason
from model.composition import Crop, on_source, peaks, pixel_mm, place_crop
from model.cropping import CropPlacement, crop_unit
from model.landmarks import LandmarkManifest
from model.pixels import PixelProfile, Placement, normalise

_LEAST_PIXELS = 16
"""A crop over fewer source pixels, along either side, shows nothing."""


@dataclass(frozen=True, eq=False)
class Localised(Analysis):
    """A localiser, and what is made of the crop around its landmarks.

    Attributes
    ----------
    manifest : LandmarkManifest
    network : Runs[LandmarkOutput]
    crop : Crop
    least_peak : float
        A heat map that stays below shows no landmark.
    profile : PixelProfile
        Of the crop.
    then : Analysis
    """

    manifest: LandmarkManifest
    network: Runs[LandmarkOutput]
    crop: Crop
    least_peak: float
    profile: PixelProfile
    then: Analysis

    @property
    @override
    def provider(self) -> str:
        return ", ".join(dict.fromkeys((self.network.provider, self.then.provider)))

    @override
    def prepare(self, index: int, decoded: Decoded, header: Header | None) -> Prepared:
        return letterboxed(index, decoded, self.manifest.pixels)

    @override
    def run(self, ready: Sequence[Prepared]) -> list[Prediction]:
        if not ready:
            return []
        batch = np.stack([prepared.tensor for prepared in ready])
        output = self.network.run(batch, np.full(len(ready), PREDICTED))
        places = [
            self._places(prepared, found)
            for prepared, found in zip(ready, output.found, strict=True)
        ]
        crops = [self._cut(*pair) for pair in zip(ready, places, strict=True)]
        answers = iter(self.then.run([one for one in crops if isinstance(one, Prepared)]))
        return [
            replace(
                next(answers) if isinstance(one, Prepared) else self._refused(prepared, one),
                landmarks=self._named(found),
            )
            for prepared, found, one in zip(ready, places, crops, strict=True)
        ]

    def _places(self, prepared: Prepared, found: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the landmarks (n, 2) in source pixels; NaN where one was not found."""
        assert isinstance(prepared.placement, Placement)
        if self.manifest.output == "heatmaps":
            fractions, heights = peaks(found)
            fractions[~(heights >= self.least_peak)] = np.nan
        else:
            fractions = found.astype(np.float64)
        return on_source(fractions, prepared.placement, self.manifest.pixels.size)

    def _cut(self, prepared: Prepared, places: NDArray[np.float64]) -> Prepared | Reason:
        """Cut the crop out, or say why not."""
        radiograph = prepared.decoded.radiograph
        if not np.isfinite(places[list(self.crop.used)]).all():
            return Reason.LANDMARKS_MISSING
        pixel = pixel_mm(radiograph, places, self.crop.without_spacing)
        if pixel is None:
            return Reason.NO_SPACING
        rows, columns = radiograph.values.shape
        try:
            placement = place_crop(self.crop, places, pixel, (rows, columns), self.profile.size)
        except ValueError:  # the landmarks of its axis are one place
            return Reason.LANDMARKS_MISSING
        if placement.share_inside(self.profile.size) < self.crop.least_inside:
            return Reason.REGION_OUTSIDE
        if self.crop.size_mm < _LEAST_PIXELS * max(pixel):
            return Reason.TOO_SMALL
        return self._ready(prepared, placement)

    def _ready(self, prepared: Prepared, placement: CropPlacement) -> Prepared | Reason:
        try:
            unit = crop_unit(prepared.decoded.radiograph, placement, self.profile)
        except ValueError:  # it holds no contrast
            return Reason.UNREADABLE
        return replace(prepared, tensor=normalise(unit, self.profile), placement=placement)

    def _refused(self, prepared: Prepared, reason: Reason) -> Prediction:
        return Prediction(prepared.placement, self.manifest.pixels.size, reason)

    def _named(self, places: NDArray[np.float64]) -> Mapping[str, tuple[float, float]]:
        return {
            name: (float(x), float(y))
            for name, (x, y) in zip(self.manifest.landmarks, places, strict=True)
            if np.isfinite(x)
        }
