"""The values of a data set's attributes, each read on its own.

An attribute is read as what PS3.6 says that it is. Where the bytes are something else, or more
values than the attribute has, it says nothing and is noted in `unreadable`; the others are not
touched by that. No method raises for anything that a peer may have sent.
"""

import math
import re
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.uid import UID

from daemon.dicom.character_sets import ASCII, decoded, encodings_of
from daemon.dicom.elements import Element, elements, items
from daemon.dicom.source import Oversized, Source, Unreadable, Whole

_TEXT = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
_CODED_TEXT = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""VRs that SpecificCharacterSet is about (PS3.5 6.1.2.3)."""
_NUMBERS = {
    b"US": "H", b"SS": "h", b"UL": "L", b"SL": "l", b"FL": "f", b"FD": "d", b"UV": "Q", b"SV": "q",
}  # fmt: skip
_UNKNOWN = b"UN"
_CHARACTER_SET = 0x00080005
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
MOST_BYTES = 1 << 16
"""No text or number that we read is longer; lists of numbers are not read through `numbers`."""


@dataclass(frozen=True)
class _Raw:
    vr: bytes
    value: memoryview
    implicit_inside: bool


@dataclass(eq=False)
class Attributes:
    """The attributes of one data set, or of one item of a sequence, by keyword.

    `unreadable` collects the keywords of those that were there and could not be read, here and in
    the items below.
    """

    unreadable: set[str] = field(default_factory=set)
    _raw: dict[int, _Raw] = field(default_factory=dict)
    _order: str = "<"
    _encodings: Sequence[str] = ASCII

    @classmethod
    def of(cls, source: Source, syntax: UID, keywords: Collection[str]) -> "Attributes":
        """Take the named attributes, and the character set, from a data set.

        A data set that breaks off says what it said until then.
        """
        found = cls(_order="<" if syntax.is_little_endian else ">")
        found._take(source, syntax.is_implicit_VR, _tags(keywords))
        found._encodings = found._character_sets(ASCII)
        return found

    @classmethod
    def of_raw(cls, elements: Collection[RawDataElement]) -> "Attributes":
        """Take attributes that pydicom has split from each other, and not looked into."""
        is_little = all(one.is_little_endian for one in elements)
        found = cls(_order="<" if is_little else ">")
        for one in elements:
            vr = (one.VR or "").encode("latin-1")
            value = memoryview(one.value or b"")
            found._raw[int(one.tag)] = _Raw(vr, value, one.is_implicit_VR)
        found._encodings = found._character_sets(ASCII)
        return found

    def __contains__(self, keyword: str) -> bool:
        """Tell whether the attribute is there and has a value."""
        raw = self._raw.get(_tag(keyword))
        return raw is not None and bool(len(raw.value))

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Return all values of an attribute of text, without padding or empty ones at the end.

        Values that hold control characters, or cannot be decoded, say nothing.
        """
        raw = self._raw.get(_tag(keyword))
        if raw is None or not len(raw.value):
            return ()
        text = self._decoded(raw, keyword)
        if text is None or _CONTROLS.search(text):
            self.unreadable.add(keyword)
            return ()
        values = [one.strip(" ") for one in text.split("\\")]
        while values and not values[-1]:
            values.pop()
        return tuple(values)

    def text(self, keyword: str) -> str:
        """Return the one value of an attribute of text; empty where there is none, or several."""
        values = self.texts(keyword)
        if len(values) > 1:
            self.unreadable.add(keyword)
            return ""
        return values[0] if values else ""

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return all values of a numeric attribute, written as text or in binary: finite ones."""
        raw = self._raw.get(_tag(keyword))
        if raw is None or not len(raw.value) or len(raw.value) > MOST_BYTES:
            return ()
        values = self._numbers(raw, keyword)
        if values is None or not all(map(math.isfinite, values)):
            self.unreadable.add(keyword)
            return ()
        return values

    def number(self, keyword: str) -> float | None:
        """Return the one value of a numeric attribute; None where there is none, or several."""
        values = self.numbers(keyword)
        if len(values) > 1:
            self.unreadable.add(keyword)
            return None
        return values[0] if values else None

    def integer(self, keyword: str, *, signed: bool = False) -> int | None:
        """Return the one value of an attribute that holds an integer.

        Parameters
        ----------
        keyword : str
        signed : bool
            How 16 bits are meant where the VR depends on Pixel Representation.
        """
        values = self.integers(keyword, signed=signed)
        return values[0] if len(values) == 1 else None

    def integers(self, keyword: str, *, signed: bool | None = None) -> tuple[int, ...]:
        """Return all values of an attribute that holds integers; `signed` as for `integer`."""
        values = self.numbers(keyword)
        if any(value != int(value) for value in values):
            self.unreadable.add(keyword)
            return ()
        return tuple(_as_signed(int(value), signed) for value in values)

    def items(self, keyword: str) -> "list[Attributes]":
        """Return the items of a sequence; a sequence that breaks off has those until then."""
        raw = self._raw.get(_tag(keyword))
        if raw is None:
            return []
        if raw.vr not in (b"SQ", b"", _UNKNOWN):
            self.unreadable.add(keyword)
            return []
        implicit = raw.implicit_inside
        order = "<" if raw.vr == _UNKNOWN else self._order
        found: list[Attributes] = []
        try:
            for item in items(raw.value, order, implicit):
                inner = Attributes(self.unreadable, _order=order)
                inner._take(Whole(item), implicit, None)
                inner._encodings = inner._character_sets(self._encodings)
                found.append(inner)
        except Unreadable:
            self.unreadable.add(keyword)
        return found

    def bytes_of(self, keyword: str) -> memoryview | None:
        """Return the bytes of a value as they came; None where there is none."""
        raw = self._raw.get(_tag(keyword))
        return None if raw is None else raw.value

    def vr_of(self, keyword: str) -> str:
        """Return the VR that the element was written with; empty where VRs are implicit."""
        raw = self._raw.get(_tag(keyword))
        return "" if raw is None else raw.vr.decode("ascii")

    @property
    def order(self) -> str:
        """The byte order of the values, "<" or ">", as in `struct`."""
        return self._order

    def note(self, keyword: str) -> None:
        """Note that an attribute was read, but says nothing that it may say."""
        self.unreadable.add(keyword)

    def _take(self, source: Source, implicit: bool, tags: frozenset[int] | None) -> None:
        try:
            for element in _given(source, self._order, implicit, tags):
                value = source.value(element.start, element.length)
                self._raw[element.tag] = _Raw(element.vr, value, element.implicit_inside)
        except (Unreadable, Oversized):
            self.unreadable.add("data set")

    def _character_sets(self, outside: Sequence[str]) -> Sequence[str]:
        """Return what SpecificCharacterSet names, or what holds outside of the item."""
        raw = self._raw.get(_CHARACTER_SET)
        if raw is None or not bytes(raw.value[:MOST_BYTES]).strip(b" \0\\"):
            return outside
        known = None
        if not raw.vr or raw.vr in _TEXT:
            known = encodings_of(bytes(raw.value[:MOST_BYTES]).decode("latin-1").split("\\"))
        if known is None:
            self.unreadable.add("SpecificCharacterSet")
        return known or ASCII

    def _decoded(self, raw: _Raw, keyword: str) -> str | None:
        """Return a value's text; None where it is none, or in no character set that we know."""
        if (raw.vr and raw.vr not in _TEXT and raw.vr != _UNKNOWN) or len(raw.value) > MOST_BYTES:
            return None
        data = bytes(raw.value).strip(b"\0")
        is_coded = dictionary_VR(keyword) in _CODED_TEXT
        return decoded(data, self._encodings if is_coded else ASCII)

    def _numbers(self, raw: _Raw, keyword: str) -> tuple[float, ...] | None:
        expected = dictionary_VR(keyword)[:2]
        vr = raw.vr if raw.vr not in (b"", _UNKNOWN) else expected.encode()
        kind = _NUMBERS.get(vr)
        if kind is None:
            text = self._decoded(raw, keyword) if vr in _TEXT else None
            return None if text is None else _parsed(text)
        size = struct.calcsize(f"={kind}")
        count, rest = divmod(len(raw.value), size)
        order = "<" if raw.vr == _UNKNOWN else self._order
        return None if rest else struct.unpack(f"{order}{count}{kind}", raw.value)


def _given(
    source: Source, order: str, implicit: bool, tags: frozenset[int] | None
) -> Iterator[Element]:
    everything = tags is None
    for element in elements(source, order, implicit, tags or ()):
        if everything or (tags is not None and element.tag in tags):
            yield element


def _tags(keywords: Collection[str]) -> frozenset[int]:
    return frozenset((_CHARACTER_SET, *map(_tag, keywords)))


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


def _parsed(text: str) -> tuple[float, ...] | None:
    """Read decimal or integer strings; empty values are none."""
    parts = [part.strip() for part in text.split("\\")]
    if not any(parts):
        return ()
    if not all(_DECIMAL.fullmatch(part) for part in parts):
        return None
    return tuple(map(float, parts))


def _as_signed(value: int, signed: bool | None) -> int:
    if signed is None:
        return value
    word = value & 0xFFFF
    return word - 0x10000 if signed and word & 0x8000 else word
