"""A decoded image, and how it comes out of the child process: a JSON description, then arrays."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from daemon.dicom.grey import Grey
from daemon.reasons import Note
from model.pixels import Radiograph

Description = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Decoded:
    """An image, how its stored values became grey values, and what a reader must know of that."""

    radiograph: Radiograph
    grey: Grey
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class _Described:
    """All of a `Decoded` but its arrays."""

    rows: int
    columns: int
    inverted: bool
    spacing_mm: tuple[float, float] | None
    aspect: float
    padded: bool
    laterality: Literal["L", "R"] | None
    view: Literal["PA", "LAT", "OBL"] | None
    grey: Grey
    notes: tuple[Note, ...]


_ADAPTER = TypeAdapter(_Described)


def described(decoded: Decoded) -> tuple[Description, bytes]:
    """Return a description, and the bytes of values (float32) and padding (bits)."""
    radiograph = decoded.radiograph
    padding = radiograph.padding
    description: Description = _ADAPTER.dump_python(
        _Described(
            rows=radiograph.values.shape[0],
            columns=radiograph.values.shape[1],
            inverted=radiograph.inverted,
            spacing_mm=radiograph.spacing_mm,
            aspect=radiograph.aspect,
            padded=padding is not None,
            laterality=radiograph.laterality,
            view=radiograph.view,
            grey=decoded.grey,
            notes=decoded.notes,
        ),
        mode="json",
    )
    mask = b"" if padding is None else np.packbits(padding).tobytes()
    return description, radiograph.values.tobytes() + mask


def decoded_from(description: Description, arrays: bytes) -> Decoded:
    """Put together again what `described` took apart.

    Raises
    ------
    ValueError
        It is something else.
    """
    said = _ADAPTER.validate_python(description)
    shape = (said.rows, said.columns)
    values = np.frombuffer(arrays, np.float32, count=said.rows * said.columns).reshape(shape)
    padding: NDArray[np.bool_] | None = None
    if said.padded:
        bits = np.frombuffer(arrays, np.uint8, offset=values.nbytes)
        padding = np.unpackbits(bits, count=values.size).reshape(shape).astype(bool)
    radiograph = Radiograph(
        values=values,
        inverted=said.inverted,
        spacing_mm=said.spacing_mm,
        aspect=said.aspect,
        padding=padding,
        laterality=said.laterality,
        view=said.view,
    )
    return Decoded(radiograph, said.grey, said.notes)
