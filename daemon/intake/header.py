"""Walk a data set's elements without decoding them, and take the few values that admission needs.

Nothing is copied or decoded but those values, so the pixel data cost nothing; and because every
element is stepped over, a data set that ends too early is noticed (PS3.5 7.1, 7.5).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pydicom.uid import UID

from daemon.errors import Rejected

UNDEFINED = 0xFFFFFFFF
MAX_NESTING = 64
"""No real object nests sequences this deeply; a hostile one would."""

_LONG_FORM = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Explicit VRs with two reserved bytes and a 32-bit length (PS3.5 table 7.1-1)."""
_SHORT_FORM = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split(),
)
_FORMS = {order: (struct.Struct(f"{order}HH2sH"), struct.Struct(f"{order}L")) for order in "<>"}
"""Tag, VR and short length; long length."""
_LAST_FOREIGN_TAG = 0x0002FFFF
"""Groups 0000 and 0002 have no place in a data set (PS3.5 7.1)."""
_DELIMITING_GROUP = 0xFFFE
_DELIMITERS = (0xFFFEE00D, 0xFFFEE0DD)
"""End of an item, end of a sequence (PS3.5 7.5)."""

_VALUES = {
    0x00080016: "sop_class_uid",
    0x00080018: "sop_instance_uid",
    0x00080070: "manufacturer",
    0x00081090: "model_name",
    0x00100020: "patient_id",
    0x00100021: "issuer",
    0x0020000D: "study_uid",
    0x0020000E: "series_uid",
}


class Unreadable(Rejected):
    """These bytes are no complete data set of their transfer syntax."""


class Oversized(Rejected):
    """A deflated data set grows beyond the limit."""


@dataclass(frozen=True)
class Header:
    """The values that admission looks at; bytes as they came, without padding, empty if absent."""

    sop_class_uid: bytes = b""
    sop_instance_uid: bytes = b""
    study_uid: bytes = b""
    series_uid: bytes = b""
    patient_id: bytes = b""
    issuer: bytes = b""
    manufacturer: bytes = b""
    model_name: bytes = b""


class Element(NamedTuple):
    """Where one element lies; `length` bytes from `start` are its value."""

    tag: int
    start: int
    length: int
    implicit_inside: bool = False
    """Whether what its value holds has implicit VRs."""


def read_header(data: bytes | memoryview, transfer_syntax: UID, max_bytes: int) -> Header:
    """Read the header of one complete data set, without file meta information.

    Parameters
    ----------
    data : bytes or memoryview
        The data set as it came over the association.
    transfer_syntax : UID
        Of the presentation context.
    max_bytes : int
        A deflated data set may not inflate beyond this.

    Raises
    ------
    Unreadable
        Truncated, nested too deeply, or not in this transfer syntax.
    Oversized
        Deflated, and larger than `max_bytes`.
    """
    if transfer_syntax.is_deflated:
        data = _inflate(data, max_bytes)
    order = "<" if transfer_syntax.is_little_endian else ">"
    values: dict[str, bytes] = {}
    for element in elements(memoryview(data), order, transfer_syntax.is_implicit_VR):
        if element.tag <= _LAST_FOREIGN_TAG:
            raise Unreadable("data set holds a command set or file meta information")
        name = _VALUES.get(element.tag)
        if name is not None:
            value = bytes(data[element.start : element.start + element.length])
            values[name] = value.strip(b" \0")
    return Header(**values)


def _inflate(data: bytes | memoryview, max_bytes: int) -> bytes:
    """Undo Deflated Explicit VR Little Endian (PS3.5 A.5: RFC 1951, no zlib header)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data, max_bytes)
    except zlib.error as error:
        raise Unreadable("deflated data set is damaged") from error
    if inflater.unconsumed_tail:
        raise Oversized("deflated data set is too large")
    if not inflater.eof:
        raise Unreadable("deflated data set is truncated")
    return inflated


def elements(data: memoryview, order: str, implicit: bool) -> Iterator[Element]:
    """Give the elements at the top level; all that is nested is stepped over.

    Defined lengths are skipped whole. Undefined ones (sequences, items, encapsulated pixel data)
    are entered; `levels` then says of each level whether its VRs are implicit.

    Parameters
    ----------
    data : memoryview
        The whole data set.
    order : "<" or ">"
        Byte order, as in `struct`.
    implicit : bool
        Whether the VRs are implicit.

    Raises
    ------
    Unreadable
        Truncated, or no data set.
    """
    position, levels = 0, [implicit]
    while position < len(data):
        element = _element_at(data, position, order, levels[-1])
        position = element.start
        if element.length == UNDEFINED or element.tag in _DELIMITERS:
            _change_level(levels, element)
            continue
        position += element.length
        if position > len(data):
            raise Unreadable("data set is truncated")
        if len(levels) == 1:
            yield element
    if len(levels) > 1:
        raise Unreadable("data set is truncated")


def _change_level(levels: list[bool], element: Element) -> None:
    if element.tag in _DELIMITERS:
        levels.pop()
        if element.length or not levels:
            raise Unreadable("data set has a stray delimiter")
        return
    levels.append(element.implicit_inside)
    if len(levels) > MAX_NESTING:
        raise Unreadable("data set is nested too deeply")


def _element_at(data: memoryview, position: int, order: str, implicit: bool) -> Element:
    short, long = _FORMS[order]
    try:
        group, number, vr, length = short.unpack_from(data, position)
        if implicit or group == _DELIMITING_GROUP:
            [length] = long.unpack_from(data, position + 4)
            return Element(group << 16 | number, position + 8, length, implicit)
        if vr in _SHORT_FORM:
            return Element(group << 16 | number, position + 8, length)
        if vr in _LONG_FORM:
            [length] = long.unpack_from(data, position + 8)
            inside = vr == b"UN"  # PS3.5 6.2.2
            return Element(group << 16 | number, position + 12, length, inside)
    except struct.error as error:
        raise Unreadable("data set is truncated") from error
    raise Unreadable("data set has an unknown value representation")
