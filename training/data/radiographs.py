"""One film on disk as a radiograph: PNG, JPEG or TIFF."""

from pathlib import Path

import numpy as np
from PIL import Image

from model.pixels import Radiograph
from training.data.examples import DataError


def read_radiograph(path: Path) -> Radiograph:
    """Read a film as greyscale; 16-bit pictures keep their depth.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        with Image.open(path) as image:
            deep = image.mode.startswith("I")
            values = np.asarray(image if deep else image.convert("L"), dtype=np.float32)
    except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: Pillow on a broken PNG
        raise DataError(f"{path}: {error}") from error
    return Radiograph(values)


def deepest_value(path: Path) -> float:
    """Return the largest value that a pixel of the file can have.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        with Image.open(path) as image:
            return 65535.0 if image.mode.startswith("I") else 255.0
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: {error}") from error
