"""Lookup tables (PS3.3 C.11.1.1.1, C.11.2.1.1): reading them, and looking values up."""

import numpy as np
from numpy.typing import NDArray

from daemon.dicom.attributes import Attributes
from daemon.dicom.grey import Table

_MOST_ENTRIES = 1 << 16
_DESCRIPTOR = 3
_FEWEST_RUNS = 2
_ROUNDING = 0.5 + 1e-6


def table_of(item: Attributes, *, signed: bool, kind: str = "") -> Table | None:
    """Read the table of one item of a sequence.

    The length of LUT Data tells how the entries are written: one in each 16-bit word, or two, of 8
    bits each. What the descriptor says of their bits is not always true.

    Parameters
    ----------
    item : Attributes
    signed : bool
        Whether the first input value may be negative.
    kind : str
        Modality LUT Type, to be kept.

    Returns
    -------
    Table or None
        None where the table is damaged, or makes everything one grey.
    """
    descriptor, data = item.integers("LUTDescriptor"), item.bytes_of("LUTData")
    if len(descriptor) != _DESCRIPTOR or data is None:
        return None
    number = descriptor[0] % _MOST_ENTRIES or _MOST_ENTRIES
    entries = _entries(data, number, item)
    if entries is None or len(np.unique(entries)) == 1:
        return None
    first = descriptor[1] % _MOST_ENTRIES
    if signed and first >= _MOST_ENTRIES // 2:
        first -= _MOST_ENTRIES
    return Table(first, descriptor[2], tuple(entries.tolist()), kind)


def looked_up(values: NDArray[np.generic], table: Table) -> NDArray[np.float32]:
    """Look values up; beyond its ends a table goes on with its outermost entries."""
    entries = np.asarray(table.entries, np.float32)
    index = np.rint(values).astype(np.int64) - table.first
    found: NDArray[np.float32] = entries[np.clip(index, 0, len(entries) - 1)]
    return found


def curve_of(table: Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the curve that a table was rounded from: inputs, ascending, and what they become.

    A table for viewing mostly has entries of 8 bits, for values of 12: each entry stands for a run
    of inputs. Its middle is where the curve had this very value; between two middles it goes on
    evenly, never further from the table than half a step. A longer run at an end is a clipped one.
    A table that rounding alone keeps from being a straight line is that line.
    """
    entries = np.asarray(table.entries, np.float64)
    line = np.linspace(entries[0], entries[-1], len(entries))
    if np.abs(entries - line).max() <= _ROUNDING:
        return np.array([0.0, len(entries) - 1.0]) + table.first, entries[[0, -1]]
    begins = np.concatenate(([0], np.flatnonzero(np.diff(entries)) + 1))
    ends = np.concatenate((begins[1:], [len(entries)])) - 1
    curve = (begins + ends) / 2.0, entries[begins]
    if len(begins) > _FEWEST_RUNS:
        _end(curve, 0, 1, float(begins[0]), float(ends[0]), ends[1] - begins[1])
        _end(curve, -1, -2, float(ends[-1]), float(begins[-1]), ends[-2] - begins[-2])
    return curve[0] + table.first, curve[1]


def _end(
    curve: tuple[NDArray[np.float64], NDArray[np.float64]],
    place: int,
    beside: int,
    outer: float,
    inner: float,
    usual: int,
) -> None:
    """Put the last point of a curve where the table ends, or where its clipping begins."""
    inputs, outputs = curve
    slope = (outputs[beside] - outputs[place]) / (inputs[beside] - inputs[place])
    if abs(inner - outer) <= usual + 1:
        outputs[place] += slope * (outer - inputs[place])
        inputs[place] = outer
    else:
        inputs[place] = inner + np.sign(outer - inner) * usual / 2.0


def _entries(data: memoryview, number: int, item: Attributes) -> NDArray[np.integer] | None:
    if len(data) >= 2 * number:
        return np.frombuffer(data, f"{item.order}u2", count=number)
    if len(data) < number:
        return None
    if item.order == ">" and item.vr_of("LUTData") in ("OW", "US"):
        words = np.frombuffer(data, ">u2", count=len(data) // 2)
        return words.astype("<u2").view(np.uint8)[:number]
    return np.frombuffer(data, np.uint8, count=number)
