"""The approved pictures of drawn wrists; `python -m tests.support.golden_images` renews them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.results.build import build_results
from daemon.settings import ReportSettings
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import bump, image_reading, study_reading

FOLDER = Path(__file__).parent.parent / "golden"
_LARGE = 1000
"""A side from which a picture is kept with a palette of its own, pixels."""

SPACING_MM = 0.8


def pictures() -> dict[str, NDArray[np.uint8]]:
    """Return every picture by its file name."""
    pa = dx(wrist("PA", spacing_mm=SPACING_MM, fracture=True))
    lateral = dx(wrist("LAT", spacing_mm=SPACING_MM), "LAT", number=2)
    images = [image_reading(pa, 0.913, bump(0.6, 0.5)), image_reading(lateral, 0.5)]
    results = build_results(study_reading(images), ReportSettings())
    shown = [one for one in results if "PixelData" in one.dataset]
    return {
        f"{one.kind.replace(' ', '-')}-{one.dataset.InstanceNumber}.png": one.dataset.pixel_array
        for one in shown
    }


def main() -> None:
    """Write them anew; look at each before it is committed."""
    FOLDER.mkdir(exist_ok=True)
    for name, pixels in pictures().items():
        picture = Image.fromarray(pixels)
        if max(pixels.shape) > _LARGE:
            picture = picture.quantize(256, dither=Image.Dither.NONE)
        picture.save(FOLDER / name, optimize=True)


if __name__ == "__main__":
    main()
