"""Readings of drawn wrists, as the reading room hands them to the results room."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset

from daemon import outcome
from daemon.dicom.grey import Grey, Rescale, Window
from daemon.records import (
    Category,
    FindingScore,
    ImageReading,
    ModelIdentity,
    Reason,
    StudyReading,
)
from model.package import FindingSpec
from model.pixels import PixelProfile, Radiograph, prepare
from tests.support.headers import header_of

READ_AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MODEL = ModelIdentity(
    name="wrist-demo",
    version="0.1.0",
    digest="ab" * 32,
    calibration="temperature 1.31 on 568 films",
    provider="CPUExecutionProvider",
)
PROFILE = PixelProfile(size=224)
_SPEC = FindingSpec(name="fracture", class_index=0, high_sensitivity=0.3, high_specificity=0.7)


def bump(x: float, y: float, cells: int = 28) -> NDArray[np.float32]:
    """Return evidence that is highest at a place of the network input, x and y in [0, 1]."""
    rows, columns = (np.mgrid[0:cells, 0:cells] + 0.5) / cells
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 0.005).astype(np.float32)


def radiograph_of(dataset: FileDataset) -> Radiograph:
    """Decode an uncompressed test object."""
    values = dataset.pixel_array.astype(np.float32)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    return Radiograph(values=values, inverted=inverted, spacing_mm=(0.144, 0.144))


def grey_of(dataset: FileDataset) -> Grey:
    """Return how the values of a test object without tables become grey values."""
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    rescale = Rescale(float(dataset.RescaleSlope), float(dataset.RescaleIntercept))
    if "WindowCenter" not in dataset:
        return Grey(rescale, inverted=inverted)
    window = Window(float(dataset.WindowCenter), float(dataset.WindowWidth))
    return Grey(rescale, window, inverted)


def image_reading(
    dataset: FileDataset,
    probability: float,
    evidence: NDArray[np.float32] | None = None,
    finding: str = "fracture",
) -> ImageReading:
    """Return the reading of one image with one finding (operating points 0.3 and 0.7)."""
    radiograph = radiograph_of(dataset)
    _tensor, placement = prepare(radiograph, PROFILE)
    score: FindingScore = outcome.judge(_SPEC.model_copy(update={"name": finding}), probability)
    return ImageReading(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        category=score.category,
        scores=(score,),
        evidence={finding: bump(0.5, 0.5) if evidence is None else evidence},
        radiograph=radiograph,
        placement=placement,
        input_size=PROFILE.size,
        header=header_of(dataset),
        grey=grey_of(dataset),
    )


def unread(dataset: FileDataset, reason: Reason) -> ImageReading:
    """Return the reading of an image that was not analysed."""
    uid = str(dataset.SOPInstanceUID)
    return ImageReading(uid, Category.NOT_ANALYSED, reason, header=header_of(dataset))


def study_reading(images: Sequence[ImageReading]) -> StudyReading:
    """Return the reading of a study."""
    category, reason = outcome.of_study(images)
    return StudyReading(
        study_uid=images[0].header.study_uid if images[0].header else "",
        category=category,
        reason=reason,
        images=tuple(images),
        model=MODEL,
        settings_digest="0123456789abcdef",
        read_at=READ_AT,
    )


def with_digest(reading: StudyReading, digest: str) -> StudyReading:
    """Return the same reading made by another model."""
    return replace(reading, model=replace(reading.model, digest=digest))
