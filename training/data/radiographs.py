"""One film on disk as a radiograph: PNG, JPEG, TIFF, or DICOM exactly as the daemon decodes it.

Every question about a film's file is answered here, so that nothing else asks which kind it is.
DICOM is decoded in this process, without the limits of the daemon's child process: films to train
on are a site's own.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from daemon.dicom.file import PREAMBLE, NotDicom
from daemon.dicom.header import Header
from daemon.dicom.parse import read_header
from daemon.reading.decoding.film import decode
from daemon.reading.refused import NotReadable
from model.pixels import Radiograph
from training.data.examples import DICOM, PICTURES, DataError, Example

_MOST_PIXELS = 1 << 28
"""More than any detector has; what the daemon takes at most is a setting of its own."""


def read_radiograph(path: Path) -> Radiograph:
    """Read a film; 16-bit pictures keep their depth, DICOM is what the daemon makes of it.

    Raises
    ------
    DataError
        The file cannot be read, or holds no radiograph.
    """
    with _told(path):
        if is_dicom(path):
            return decode(path, _MOST_PIXELS).radiograph
        with Image.open(path) as image:
            deep = image.mode.startswith("I")
            values = np.asarray(image if deep else image.convert("L"), dtype=np.float32)
    return Radiograph(values)


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM by its suffix or, where that names no picture, its beginning.

    Archives often name files by their UID: what follows the last point says nothing then.
    """
    if path.suffix.lower() in PICTURES:
        return path.suffix.lower() == DICOM
    with path.open("rb") as stream:
        return stream.read(len(PREAMBLE))[-4:] == PREAMBLE[-4:]


def grey_range(path: Path, values: NDArray[np.float32]) -> tuple[float, float]:
    """Return which values of a film are black and white, without any percentile.

    Of pictures these are the least and largest that a pixel of the file can have. Lookup tables and
    windows leave no such depth in DICOM: there they are the darkest and brightest of `values`.

    Parameters
    ----------
    path : Path
    values : float32 array, shape (rows, columns)
        Larger is brighter, see `model.pixels.bright_values`.

    Raises
    ------
    DataError
        The file cannot be read, or holds no contrast.
    """
    with _told(path):
        if is_dicom(path):
            low, high = float(values.min()), float(values.max())
            if not high > low:
                raise ValueError("the image has no contrast")
            return low, high
        with Image.open(path) as image:
            return 0.0, 65535.0 if image.mode.startswith("I") else 255.0


def coding_of(path: Path) -> tuple[int, str]:
    """Return how many pixels a film has, and how they are coded: Pillow's mode, or "DICOM".

    Raises
    ------
    DataError
        The file cannot be read.
    """
    with _told(path):
        if is_dicom(path):
            header = read_header(path)
            return header.rows * header.columns, "DICOM"
        with Image.open(path) as image:
            return image.width * image.height, image.mode


def circumstances(path: Path) -> dict[str, str]:
    """Return age, sex, view and laterality as a DICOM header tells them; nothing of pictures.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    with _told(path):
        if not is_dicom(path):
            return {}
        header: Header = read_header(path)
    age = header.age_years
    found = {
        "age": "" if age is None else f"{age:g}",
        "sex": header.sex,
        "view": header.view or "",
        "laterality": header.side or "",
    }
    return {name: value for name, value in found.items() if value}


def refuse_unreadable(examples: Iterable[Example]) -> None:
    """Open every file; raise DataError that names the first that is no whole film."""
    broken = [problem for example in examples if (problem := _problem(example.path))]
    if broken:
        raise DataError(f"{len(broken)} films cannot be read, the first is {broken[0]}")


def _problem(path: Path) -> str:
    try:
        with _told(path):
            if is_dicom(path):
                decode(path, _MOST_PIXELS)  # only decoding shows whether a frame is whole
            else:
                with Image.open(path) as image:
                    image.verify()
    except DataError as error:
        return str(error)
    return ""


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file into one line that names it."""
    try:
        yield
    except (NotReadable, NotDicom, OSError, ValueError, SyntaxError) as error:
        # SyntaxError: Pillow on a broken PNG
        raise DataError(f"{path}: {error}") from error
