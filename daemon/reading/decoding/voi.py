"""Windows and tables for viewing (PS3.3 C.11.2): the first one of an image that was made for it.

Only the order and the shape of values matter to what follows, so a linear window is nothing but its
two ends: values stay what they are between them.
"""

from collections.abc import Iterator
from functools import partial
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from daemon.dicom.attributes import Attributes
from daemon.dicom.grey import Function, Table, Window
from daemon.reading.decoding.foreign import is_foreign
from daemon.reading.decoding.lookup_tables import curve_of, table_of
from daemon.reasons import Note

KEYWORDS = ("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction")

_FUNCTIONS: dict[str, Function] = {name: name for name in get_args(Function)}
_LINEAR: Function = "LINEAR"
_STEEPEST = 30.0
"""The exponent of a sigmoid beyond which float32 has no other value than 0 or 1."""

_Values = NDArray[np.float32]
Voi = Window | Table


def voi_of(said: Attributes, values: _Values) -> tuple[Voi | None, tuple[Note, ...]]:
    """Choose how an image is viewed: by a table where there is one, else by a window.

    Parameters
    ----------
    said : Attributes
    values : float32 array, shape (n,)
        Modality values of pixels that carry signal; a sample of them is enough.

    Returns
    -------
    Window, Table or None
    tuple of Note
        What was left out because it was made for other values, and what was not understood.
    """
    notes: dict[Note, None] = {}
    for item in said.items("VOILUTSequence"):
        table = table_of(item, signed=bool((values < 0).any()))
        if table is not None and not is_foreign(partial(viewed, voi=table), values, limits(table)):
            return table, tuple(notes)
        notes[Note.TABLE_LEFT_OUT] = None
    function = said.text("VOILUTFunction").upper() or _LINEAR
    for window in _windows(said, _FUNCTIONS.get(function, _LINEAR)):
        if not is_foreign(partial(viewed, voi=window), values, limits(window)):
            if function not in _FUNCTIONS:
                notes[Note.FUNCTION_UNKNOWN] = None
            return window, tuple(notes)
        notes[Note.WINDOW_LEFT_OUT] = None
    return None, tuple(notes)


def viewed(values: _Values, voi: Voi | None) -> _Values:
    """Apply it: float32 array of modality values -> float32 array of the same shape."""
    if voi is None:
        return values
    if isinstance(voi, Table):
        return np.interp(values, *curve_of(voi)).astype(np.float32)
    if voi.function == "SIGMOID":
        exponent = (values - np.float32(voi.center)) * np.float32(-4.0 / voi.width)
        shown: _Values = np.float32(1.0) / (
            np.float32(1.0) + np.exp(np.clip(exponent, -_STEEPEST, _STEEPEST))
        )
        return shown
    low, high = limits(voi)
    return np.clip(values, np.float32(low), np.float32(high))


def limits(voi: Voi) -> tuple[float, float]:
    """Return the modality values between which greys differ (PS3.3 C.11.2.1.1 to .3)."""
    if isinstance(voi, Table):
        return float(voi.first), float(voi.first + len(voi.entries) - 1)
    center, width = voi.center, voi.width
    if voi.function == _LINEAR:
        center, width = center - 0.5, width - 1.0
    return center - width / 2.0, center + width / 2.0


def _windows(said: Attributes, function: Function) -> Iterator[Window]:
    """Give the windows that have a width."""
    pairs = zip(said.numbers("WindowCenter"), said.numbers("WindowWidth"), strict=False)
    for center, width in pairs:
        if (width >= 1.0) if function == _LINEAR else (width > 0.0):
            yield Window(center, width, function)
