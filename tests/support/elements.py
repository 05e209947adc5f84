"""A data set as its elements at the top level, to be changed and written again (PS3.5 7.1).

What is written need not be valid: lengths may lie, tags and value representations may be any.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

UNDEFINED = 0xFFFFFFFF
LONG_FORM = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
SHORT_FORM = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
TEXTS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UT".split())
"""Value representations of characters (PS3.5 6.2)."""


@dataclass(frozen=True)
class Element:
    """One element at the top level; `vr` is empty where VRs are implicit.

    `claimed` is written as its length in place of the true one.
    """

    tag: int
    vr: bytes
    value: bytes
    claimed: int | None = None

    def encode(self, order: str = "<") -> bytes:
        """Return its bytes (PS3.5 7.1)."""
        length = len(self.value) if self.claimed is None else self.claimed
        tag = struct.pack(f"{order}HH", self.tag >> 16, self.tag & 0xFFFF)
        if not self.vr:
            return tag + struct.pack(f"{order}L", length & UNDEFINED) + self.value
        if self.vr in LONG_FORM:
            return tag + self.vr + b"\0\0" + struct.pack(f"{order}L", length) + self.value
        return tag + self.vr + struct.pack(f"{order}H", length & 0xFFFF) + self.value


Elements = Sequence[Element]


def split(data_set: bytes, order: str = "<", *, implicit: bool = False) -> list[Element]:
    """Take a valid data set apart; a value of undefined length goes on to the end."""
    found, position = [], 0
    while position < len(data_set):
        group, number, vr, length = struct.unpack_from(f"{order}HH2sH", data_set, position)
        tag, start = group << 16 | number, position + 8
        if implicit or vr in LONG_FORM:
            start = position + (8 if implicit else 12)
            [length] = struct.unpack_from(f"{order}L", data_set, start - 4)
        end = len(data_set) if length == UNDEFINED else start + length
        claimed = UNDEFINED if length == UNDEFINED else None
        found.append(Element(tag, b"" if implicit else vr, data_set[start:end], claimed))
        position = end
    return found


def join(elements: Elements, order: str = "<") -> bytes:
    """Put a data set together."""
    return b"".join(one.encode(order) for one in elements)


def with_value(elements: Elements, tag: int, value: bytes) -> list[Element]:
    """Replace the value of an element, padded to an even length."""
    padded = value + b"\0" * (len(value) % 2)
    return [replace(one, value=padded) if one.tag == tag else one for one in elements]
