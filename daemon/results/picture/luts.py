"""How a presentation state says what was done to stored values (PS3.3 C.11.1, C.11.8, C.11.6).

A presentation state replaces modality LUT, VOI LUT and polarity of the image; what it leaves out
would be lost.
"""

import numpy as np
from numpy.typing import ArrayLike
from pydicom import DataElement, Dataset

from daemon.dicom.grey import Grey, Rescale, Table, Window
from daemon.dicom.values import decimal_text, long_text
from daemon.results.document.inheritance import put

_UNSPECIFIED = "US"
"""Rescale Type and Modality LUT Type where nobody said the unit (C.11.1.1.2)."""

_BITS = 16
"""Of an entry that we write: all readers know them, but not all read two of 8 bits from a word."""

_WORDS = 1 << _BITS


def add_grey(state: Dataset, grey: Grey) -> None:
    """Write how an image's stored values became grey values."""
    voi = grey.voi
    if isinstance(grey.modality, Table):
        table = _table(grey.modality.first, grey.modality.entries)
        put(table, "ModalityLUTType", long_text(grey.modality.kind) or _UNSPECIFIED)
        state.ModalityLUTSequence = [table]
        voi = voi or _all_of(grey.modality)
    elif grey.modality is not None:
        _add_rescale(state, grey.modality)
    if voi is not None:
        state.SoftcopyVOILUTSequence = [_voi(voi)]
    state.PresentationLUTShape = "INVERSE" if grey.inverted else "IDENTITY"


def _add_rescale(state: Dataset, rescale: Rescale) -> None:
    put(state, "RescaleIntercept", decimal_text(rescale.intercept))
    put(state, "RescaleSlope", decimal_text(rescale.slope))
    put(state, "RescaleType", long_text(rescale.kind) or _UNSPECIFIED)


def _all_of(table: Table) -> Window:
    """Return the window over all that a table of its bits may give (C.11.2.1.2.1)."""
    return Window(center=2.0 ** (table.bits - 1), width=2.0**table.bits)


def _voi(voi: Window | Table) -> Dataset:
    item = Dataset()
    if isinstance(voi, Table):
        scale = (_WORDS - 1) / (2.0**voi.bits - 1)  # from black to white, in more bits
        item.VOILUTSequence = [_table(voi.first, np.rint(np.asarray(voi.entries) * scale))]
        return item
    put(item, "WindowCenter", decimal_text(voi.center))
    put(item, "WindowWidth", decimal_text(voi.width))
    if voi.function != "LINEAR":
        item.VOILUTFunction = voi.function
    return item


def _table(first: int, entries: ArrayLike) -> Dataset:
    """Return a table as an item: descriptor and data (C.11.1.1.1)."""
    values = np.asarray(entries).astype("<u2")
    item = Dataset()
    descriptor = [len(values) % _WORDS, first, _BITS]
    item.add(DataElement("LUTDescriptor", "SS" if first < 0 else "US", descriptor))
    item.add(DataElement("LUTData", "OW", values.tobytes()))
    return item
