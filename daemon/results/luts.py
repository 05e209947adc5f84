"""How a presentation state says what was done to stored values (PS3.3 C.11.1, C.11.8, C.11.6).

A presentation state replaces modality LUT, VOI LUT and polarity of the image; what it leaves out
would be lost.
"""

import numpy as np
from pydicom import DataElement, Dataset

from daemon.dicom.grey import Grey, Rescale, Table, Window
from daemon.dicom.values import decimal_text, long_text
from daemon.results.header import put

_UNSPECIFIED = "US"
"""Rescale Type and Modality LUT Type where nobody said the unit (C.11.1.1.2)."""

_BYTE_BITS = 8
_WORDS = 1 << 16


def add_grey(state: Dataset, grey: Grey) -> None:
    """Write how an image's stored values became grey values."""
    if isinstance(grey.modality, Table):
        table = _table(grey.modality)
        put(table, "ModalityLUTType", long_text(grey.modality.kind) or _UNSPECIFIED)
        state.ModalityLUTSequence = [table]
    elif grey.modality is not None:
        _add_rescale(state, grey.modality)
    if grey.voi is not None:
        state.SoftcopyVOILUTSequence = [_voi(grey.voi)]
    state.PresentationLUTShape = "INVERSE" if grey.inverted else "IDENTITY"


def _add_rescale(state: Dataset, rescale: Rescale) -> None:
    put(state, "RescaleIntercept", decimal_text(rescale.intercept))
    put(state, "RescaleSlope", decimal_text(rescale.slope))
    put(state, "RescaleType", long_text(rescale.kind) or _UNSPECIFIED)


def _voi(voi: Window | Table) -> Dataset:
    item = Dataset()
    if isinstance(voi, Table):
        item.VOILUTSequence = [_table(voi)]
        return item
    put(item, "WindowCenter", decimal_text(voi.center))
    put(item, "WindowWidth", decimal_text(voi.width))
    if voi.function != "LINEAR":
        item.VOILUTFunction = voi.function
    return item


def _table(table: Table) -> Dataset:
    """Return a table as an item: descriptor and data (C.11.1.1.1).

    The number of entries has no sign, even where the first input has one. Entries of 8 bits stand
    two in a word.
    """
    count = len(table.entries) % _WORDS
    signed = table.first < 0
    if signed and count >= _WORDS // 2:
        count -= _WORDS
    item = Dataset()
    descriptor = [count, table.first, table.bits]
    item.add(DataElement("LUTDescriptor", "SS" if signed else "US", descriptor))
    kind = "<u1" if table.bits <= _BYTE_BITS else "<u2"
    data = np.asarray(table.entries).astype(kind).tobytes()
    item.add(DataElement("LUTData", "OW", data + b"\0" * (len(data) % 2)))
    return item
