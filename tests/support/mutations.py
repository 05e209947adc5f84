"""Data sets with a fault: pure functions over their elements, or over their bytes.

Each takes the random source that decides where and how; the same seed makes the same fault. Nothing
here knows the product.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.support.elements import (
    LONG_FORM,
    SHORT_FORM,
    TEXTS,
    UNDEFINED,
    Element,
    Elements,
    join,
    split,
)

CANARIES = (b"ZZPHI^CANARY", b"PHI-4711", b"PHIACC99")
"""What stands in every text; no log, file name or figure may show it."""
CHARACTER_SET, FRAMES, PIXEL_DATA = 0x00080005, 0x00280008, 0x7FE00010
_SHORTEST_LONG = 65_534
_PIXEL_NUMBERS = (0x00280002, 0x00280010, 0x00280011, *range(0x00280100, 0x00280104))
"""Samples, rows, columns, bits and sign: US."""
_CHARACTER_SETS = (
    b"", b"ISO_IR 999", b"ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"GB18030", b"ISO_IR 192\\GBK",
    b"\xff\xfe\0\0", b"UTF-8", b"ISO_IR 192 " * 4000,
)  # fmt: skip
_NUMBERS = (
    b"", b"0", b"-1", b"NaN", b"inf", b"1e400", b"9" * 40, b"0x10", b"1\\2\\3", b"1,5", b"\\",
    b"\0\0", b" ", b"0.0", b"1e-30",
)  # fmt: skip
_ITEM = b"\xfe\xff\x00\xe0"
_CONTROLS = (b"\n", b"\r\n", b"\x1b[2J", b"\x1b$B", b"\0", b"\x7f", b"\x0b", b"\\")

Mutation = Callable[[Elements, Random], list[Element]]
StreamMutation = Callable[[bytes, Random], bytes]


def _change(
    elements: Elements, chance: Random, change: Callable[[Element], Element], among: Elements = ()
) -> list[Element]:
    """Change one element of those, or of all."""
    if not (among or elements):
        return list(elements)
    chosen = chance.choice(among or elements)
    return [change(one) if one is chosen else one for one in elements]


def _texts(elements: Elements) -> list[Element]:
    return [one for one in elements if one.vr in TEXTS or (not one.vr and len(one.value) < 80)]


def _insert(elements: Elements, new: Element) -> list[Element]:
    """Put an element where its tag belongs."""
    before = [one for one in elements if one.tag <= new.tag]
    return [*before, new, *(one for one in elements if one.tag > new.tag)]


def _kind(elements: Elements, vr: bytes) -> bytes:
    return vr if elements and elements[0].vr else b""


def swap_vr(elements: Elements, chance: Random) -> list[Element]:
    """Give an element another value representation, mostly one that is written like its own."""
    every, keeps_form = sorted(LONG_FORM | SHORT_FORM), chance.random() < 0.8

    def change(one: Element) -> Element:
        form = LONG_FORM if one.vr in LONG_FORM else SHORT_FORM
        vr = chance.choice(sorted(form) if keeps_form else every)
        return replace(one, vr=vr if one.vr else b"")

    return _change(elements, chance, change)


def wrong_length(elements: Elements, chance: Random) -> list[Element]:
    """Claim another length than the value has."""
    by = chance.choice((-1000, -2, -1, 1, 2, 7, 1000, 1 << 20, 1 << 31))
    return _change(
        elements, chance, lambda one: replace(one, claimed=max(0, len(one.value) + by) % UNDEFINED)
    )


def multiply(elements: Elements, chance: Random) -> list[Element]:
    """Repeat a value."""
    times = chance.choice((2, 3, 10, 1000))
    glue = b"\\" if chance.random() < 0.7 else b""
    return _change(
        elements,
        chance,
        lambda one: replace(one, value=glue.join([one.value] * times)[:_SHORTEST_LONG]),
        _texts(elements),
    )


def duplicate(elements: Elements, chance: Random) -> list[Element]:
    """Write an element twice, at times with another value."""
    if not elements:
        return []
    chosen = chance.choice(elements)
    again = chosen if chance.random() < 0.5 else replace(chosen, value=chance.choice(_NUMBERS))
    return [one for each in elements for one in ((each, again) if each is chosen else (each,))]


def remove(elements: Elements, chance: Random) -> list[Element]:
    """Leave out an element."""
    chosen = chance.choice(elements) if elements else None
    return [one for one in elements if one is not chosen]


def reorder(elements: Elements, chance: Random) -> list[Element]:
    """Exchange elements, or shuffle all of them."""
    changed = list(elements)
    if chance.random() < 0.2:
        chance.shuffle(changed)
    elif len(changed) > 1:
        a, b = chance.sample(range(len(changed)), 2)
        changed[a], changed[b] = changed[b], changed[a]
    return changed


def nest(elements: Elements, chance: Random) -> list[Element]:
    """Insert sequences within sequences, of defined or undefined lengths."""
    depth, defined = chance.choice((10, 63, 64, 65, 500, 3000)), chance.random() < 0.5
    vr = _kind(elements, b"SQ")
    tag = chance.choice((0x00082218, 0x00400275, 0x00540220, 0x00090010))
    value = b""
    for _ in range(depth):
        length = len(value) if defined else UNDEFINED
        item = struct.pack("<HHL", 0xFFFE, 0xE000, length) + value
        if not defined:
            item += struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
        if not defined:
            item += struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        value = Element(tag, vr, item, len(item) if defined else UNDEFINED).encode()
    start = 12 if vr else 8
    return _insert(elements, Element(tag, vr, value[start:], None if defined else UNDEFINED))


def odd_character_set(elements: Elements, chance: Random) -> list[Element]:
    """Name a character set that does not exist, is not of these texts, or is no text."""
    kept = [one for one in elements if one.tag != CHARACTER_SET]
    value = chance.choice(_CHARACTER_SETS)
    return _insert(kept, Element(CHARACTER_SET, _kind(elements, b"CS"), value))


def odd_matrix(elements: Elements, chance: Random) -> list[Element]:
    """Claim another size, depth, sign or number of frames."""
    if chance.random() < 0.3:
        frames = chance.choice((b"2 ", b"0 ", b"-1", b"100000", b"2147483647 "))
        return _insert(elements, Element(FRAMES, _kind(elements, b"IS"), frames))
    value = struct.pack("<H", chance.choice((0, 1, 2, 3, 7, 15, 33, 1000, 32767, 65535)))
    tag = chance.choice(_PIXEL_NUMBERS)
    return [replace(one, value=value) if one.tag == tag else one for one in elements]


def odd_number(elements: Elements, chance: Random) -> list[Element]:
    """Write what is no number, or a useless one, as a value."""
    value = chance.choice(_NUMBERS)
    return _change(elements, chance, lambda one: replace(one, value=value), _texts(elements))


def damage_pixels(elements: Elements, chance: Random) -> list[Element]:
    """Overwrite, shorten or prolong the pixel data, or what stands there."""
    kind = chance.randrange(4)

    def change(one: Element) -> Element:
        at = chance.randrange(len(one.value) or 1)
        noise = chance.randbytes(chance.choice((1, 16, 500)))
        values = (
            one.value[:at] + noise + one.value[at + len(noise) :],
            one.value[:at],
            one.value + noise * 3,
            bytes(len(one.value)),
        )
        return replace(one, value=values[kind])

    return _change(elements, chance, change, [one for one in elements if one.tag == PIXEL_DATA])


def private_rubbish(elements: Elements, chance: Random) -> list[Element]:
    """Insert private elements, or such of groups that have no place in a data set."""
    tag = chance.choice((0x00090010, 0x00091001, 0x00290010, 0x7FDF0010, 0xFFFD0001, 0x00020010))
    vr = _kind(elements, chance.choice((b"UN", b"LO", b"OB", b"SQ", b"UT")))
    value = CANARIES[0] + chance.randbytes(chance.choice((4, 100, 5000)))
    return _insert(elements, Element(tag, vr, value))


def long_value(elements: Elements, chance: Random) -> list[Element]:
    """Write a value that is far too long."""
    value = (chance.choice(CANARIES) + b" ") * 4000
    return _change(elements, chance, lambda one: replace(one, value=value), _texts(elements))


def control_characters(elements: Elements, chance: Random) -> list[Element]:
    """Put control characters and a canary into a text."""
    value = chance.choice(_CONTROLS).join((chance.choice(CANARIES), b"INFO daemon: x", CANARIES[1]))
    return _change(elements, chance, lambda one: replace(one, value=value), _texts(elements))


def canary(elements: Elements, chance: Random) -> list[Element]:
    """Put a canary where something else belongs."""
    value = chance.choice(CANARIES)
    return _change(elements, chance, lambda one: replace(one, value=value))


def inside(elements: Elements, chance: Random) -> list[Element]:
    """Change an element within the first item of a sequence."""
    full = [one for one in elements if one.value[:4] == _ITEM and one.claimed is None]

    def change(one: Element) -> Element:
        [length] = struct.unpack_from("<L", one.value, 4)
        item = split(one.value[8 : 8 + length], implicit=not one.vr)
        new = join(chance.choice(_WITHIN)(item, chance))
        return replace(one, value=_ITEM + struct.pack("<L", len(new)) + new)

    return _change(elements, chance, change, full) if full else list(elements)


def flip_bits(data: bytes, chance: Random) -> bytes:
    """Flip a few bits, mostly of the header."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 20))):
        if changed:
            end = min(len(changed), 3000) if chance.random() < 0.8 else len(changed)
            changed[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncate(data: bytes, chance: Random) -> bytes:
    """End too early."""
    return data[: chance.randrange(len(data) + 1)]


def shift(data: bytes, chance: Random) -> bytes:
    """Insert or take away bytes somewhere."""
    at = chance.randrange(len(data) + 1)
    if chance.random() < 0.5:
        return data[:at] + chance.randbytes(chance.choice((1, 2, 8))) + data[at:]
    return data[:at] + data[at + chance.choice((1, 2, 8)) :]


def trail(data: bytes, chance: Random) -> bytes:
    """Go on behind the end."""
    return data + chance.choice((b"\0" * 200, b"\xff" * 9, CANARIES[0] * 100))


def inflate_to_much(elements: Elements, chance: Random) -> list[Element]:
    """Insert zeros that deflate well; too many for objects that are not deflated."""
    vr = _kind(elements, b"OB")
    return _insert(elements, Element(0x7FDF1001, vr, bytes(chance.choice((1, 16)) << 20)))


def deflate(data: bytes) -> bytes:
    """Deflate a data set (PS3.5 A.5)."""
    deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


_WITHIN: tuple[Mutation, ...] = (
    swap_vr, multiply, duplicate, remove, odd_number, control_characters, canary, long_value,
)  # fmt: skip
ON_ELEMENTS: tuple[Mutation, ...] = (
    swap_vr, wrong_length, multiply, duplicate, remove, reorder, nest, odd_character_set,
    odd_matrix, odd_number, damage_pixels, private_rubbish, long_value, control_characters, canary,
    inside, inside,
)  # fmt: skip
ON_STREAMS: tuple[StreamMutation, ...] = (flip_bits, truncate, shift, trail)
