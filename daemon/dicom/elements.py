"""Walk a data set's elements without decoding them (PS3.5 7.1, 7.5).

Nothing is copied but the values that the caller asks for, so the pixel data cost nothing; and
because every element is stepped over, a data set that ends too early is noticed.
"""

import struct
from collections.abc import Container, Iterator
from typing import NamedTuple

from daemon.dicom.source import LONGEST_START, Shown, Source, Unreadable, Whole

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
_DELIMITING_GROUP = 0xFFFE
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
"""PS3.5 7.5."""
_DELIMITERS = (_ITEM_END, _SEQUENCE_END)
_DELIMITER_BYTES = 8


class Element(NamedTuple):
    """Where one element lies; `length` bytes from `start` are its value.

    A value of undefined length ends before its delimiter. `vr` is empty where VRs are implicit.
    """

    tag: int
    start: int
    length: int
    vr: bytes = b""
    implicit_inside: bool = False
    """Whether what its value holds has implicit VRs."""


def elements(
    source: Source, order: str, implicit: bool, wanted: Container[int] = ()
) -> Iterator[Element]:
    """Give the elements at the top level; all that is nested is stepped over.

    Defined lengths are skipped whole. Undefined ones (sequences, items, encapsulated pixel data)
    are entered.

    Parameters
    ----------
    source : Source
        The whole data set.
    order : "<" or ">"
        Byte order, as in `struct`.
    implicit : bool
        Whether the VRs are implicit.
    wanted : container of int
        Tags whose values the caller asks the source for, as they are given.

    Raises
    ------
    Unreadable
        Truncated, or no data set.
    Oversized
        It inflates beyond its limits.
    """
    return _walk(source, (order, implicit), 0, wanted)


def items(value: memoryview, order: str, implicit: bool) -> Iterator[memoryview]:
    """Give the items of a sequence's value, each as its data set (PS3.5 7.5).

    Raises
    ------
    Unreadable
        The value holds something else, or ends too early.
    """
    source, position = Whole(value), 0
    while position < len(value):
        item = _element_at(value, position, position, order, implicit=True)
        position = item.start + item.length
        if item.tag == _SEQUENCE_END:
            return
        if item.tag != _ITEM:
            raise Unreadable("sequence holds no item")
        if item.length != UNDEFINED:
            if position > len(value):
                raise Unreadable("sequence is truncated")
            yield value[item.start : position]
            continue
        *_, end = _walk(source, (order, implicit), item.start, depth=2)
        yield value[item.start : end.start - _DELIMITER_BYTES]
        position = end.start


def _walk(
    source: Source,
    encoding: tuple[str, bool],
    position: int,
    wanted: Container[int] = (),
    depth: int = 1,
) -> Iterator[Element]:
    """Give the elements of one level: 1 is the data set's, 2 an item's, whose last one is its end.

    `levels` says of each level whether its VRs are implicit; `opened` is the element that was
    entered last from the level that is given. The source is asked only when what it showed is used
    up: this loop is run for every element that any peer sends.
    """
    order, implicit = encoding
    levels, opened = [implicit] * depth, Element(0, 0, 0)
    end, held, start = source.show(position + LONGEST_START, None)
    while position < end:
        element = _element_at(held, position - start, position, order, levels[-1])
        if len(levels) == depth:
            opened = element
        position = element.start
        if element.length == UNDEFINED or element.tag in _DELIMITERS:
            _change_level(levels, element)
            element = opened._replace(length=position - _DELIMITER_BYTES - opened.start)
        else:
            position += element.length
        if position + LONGEST_START > end:
            end, held, start = _shown(source, position, opened, wanted)
        if len(levels) <= depth:
            yield element
        if len(levels) < depth:
            return
    if len(levels) > 1:
        raise Unreadable("data set is truncated")


def _shown(source: Source, position: int, opened: Element, wanted: Container[int]) -> Shown:
    """Let the source show the element that begins at a position."""
    kept = opened.start if opened.tag in wanted else None
    shown = source.show(position + LONGEST_START, kept)
    if position > shown[0]:
        raise Unreadable("data set is truncated")
    return shown


def _change_level(levels: list[bool], element: Element) -> None:
    if element.tag in _DELIMITERS:
        levels.pop()
        if element.length or not levels:
            raise Unreadable("data set has a stray delimiter")
        return
    levels.append(element.implicit_inside)
    if len(levels) > MAX_NESTING:
        raise Unreadable("data set is nested too deeply")


def _element_at(
    held: bytes | memoryview | bytearray, at: int, position: int, order: str, implicit: bool
) -> Element:
    """Read the start of the element that lies at a position of the data set, here at `at`."""
    short, long = _FORMS[order]
    try:
        group, number, vr, length = short.unpack_from(held, at)
        tag = group << 16 | number
        if implicit or group == _DELIMITING_GROUP:
            [length] = long.unpack_from(held, at + 4)
            return Element(tag, position + 8, length, b"", implicit)
        if vr in _SHORT_FORM:
            return Element(tag, position + 8, length, vr)
        if vr in _LONG_FORM:
            [length] = long.unpack_from(held, at + 8)
            return Element(tag, position + 12, length, vr, vr == b"UN")  # PS3.5 6.2.2
    except struct.error as error:
        raise Unreadable("data set is truncated") from error
    raise Unreadable("data set has an unknown value representation")
