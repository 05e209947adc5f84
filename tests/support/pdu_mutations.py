"""Streams of PDUs with faults: bytes, lengths, order, nesting; drawn from a seed."""

import struct
from collections.abc import Callable, Sequence
from random import Random

from daemon.intake.association.pdu import HEADER, PDV_HEADER, PduType

Pdus = list[bytes]
Mutator = Callable[[Pdus, Sequence[Pdus], Random], None]
"""Changes a stream in place; the second argument is what other senders said."""

_MOST_MUTATIONS = 4
_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 67, 68, 69, 0x7F, 0xFF, 0xFFFF, 0x20000, 0x7FFFFFFF, 0xFFFFFFFF)
_KINDS = (0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x77)
_FIXED = 74
"""Where the items of an association request begin."""


def mutated(stream: Sequence[bytes], others: Sequence[Pdus], chance: Random) -> bytes:
    """Return a stream with one to four faults, as one run of bytes."""
    pdus = list(stream)
    for _ in range(chance.randint(1, _MOST_MUTATIONS)):
        chance.choice(MUTATORS)(pdus, others, chance)
    whole = b"".join(pdus)
    if chance.random() < 0.15:
        whole = whole[: chance.randrange(len(whole) + 1)]
    return whole


def _index(pdus: Pdus, chance: Random) -> int:
    if not pdus:
        pdus.append(b"")
    return chance.randrange(len(pdus))


def _flip_bits(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    index = _index(pdus, chance)
    changed = bytearray(pdus[index] or b"\0")
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    pdus[index] = bytes(changed)


def _flip_early(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    """Change a byte near the start of a PDU, where its structure is."""
    index = _index(pdus, chance)
    changed = bytearray(pdus[index] or b"\0")
    changed[chance.randrange(min(len(changed), 160))] = chance.choice(
        (0, 1, 0x7F, 0x80, 0xFF, 0x20)
    )
    pdus[index] = bytes(changed)


def _type(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    index = _index(pdus, chance)
    kind = chance.choice((*PduType, 0, 8, 0xFF))
    pdus[index] = bytes((kind,)) + pdus[index][1:]


def _pdu_length(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    index = _index(pdus, chance)
    pdu = pdus[index]
    near = max(0, len(pdu) - HEADER.size + chance.randint(-8, 8))
    length = chance.choice((near, chance.choice(_LENGTHS)))
    pdus[index] = pdu[:2] + struct.pack(">L", length) + pdu[6:]


def _pdv(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    """Change length, context or control of a presentation data value."""
    index = _index(pdus, chance)
    pdu = pdus[index]
    if len(pdu) < HEADER.size + PDV_HEADER.size:
        return
    length, context, control = PDV_HEADER.unpack_from(pdu, HEADER.size)
    field = chance.randrange(3)
    length = chance.choice(_LENGTHS) if field == 0 else length
    context = chance.randrange(256) if field == 1 else context
    control = chance.randrange(256) if field == 2 else control
    start = pdu[: HEADER.size] + PDV_HEADER.pack(length, context, control)
    pdus[index] = start + pdu[len(start) :]


def _pieces(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    """Cut the value of a PDV into many PDUs; legal, unless another fault came before."""
    index = _index(pdus, chance)
    pdu = pdus[index]
    start = HEADER.size + PDV_HEADER.size
    if len(pdu) <= start or pdu[0] != PduType.DATA:
        return
    _length, context, control = PDV_HEADER.unpack_from(pdu, HEADER.size)
    size = chance.choice((1, 2, 7, 100))
    parts = [pdu[at : at + size] for at in range(start, min(len(pdu), start + 200 * size), size)]
    made = []
    for number, part in enumerate(parts):
        last = control if number == len(parts) - 1 else control & ~2
        value = PDV_HEADER.pack(len(part) + 2, context, last) + part
        made.append(HEADER.pack(PduType.DATA, len(value)) + value)
    pdus[index : index + 1] = made


def _cut(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    index = _index(pdus, chance)
    pdus[index] = pdus[index][: chance.randrange(len(pdus[index]) + 1)]


def _drop(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    del pdus[_index(pdus, chance)]


def _repeat(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    index = _index(pdus, chance)
    pdus[index:index] = [pdus[index]] * chance.choice((1, 1, 2, 50))


def _reorder(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    one, other = _index(pdus, chance), _index(pdus, chance)
    pdus[one], pdus[other] = pdus[other], pdus[one]


def _splice(pdus: Pdus, others: Sequence[Pdus], chance: Random) -> None:
    """Put a part of another sender's stream in."""
    other = chance.choice(others)
    start = chance.randrange(len(other))
    at = chance.randrange(len(pdus) + 1)
    pdus[at:at] = other[start : start + chance.choice((1, 2, 10))]


def _insert(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    size = chance.choice((1, 2, 5, 6, 10, 100, 5000))
    noise = chance.choice((chance.randbytes(size), bytes(size), b"\xff" * size))
    whole = HEADER.pack(chance.randrange(10), size) + noise
    pdus.insert(chance.randrange(len(pdus) + 1), chance.choice((noise, whole)))


def _insert_inside(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    """Put bytes into a PDU, and make its length right again half of the time."""
    index = _index(pdus, chance)
    pdu = pdus[index]
    at = chance.randrange(len(pdu) + 1)
    pdus[index] = pdu[:at] + chance.randbytes(chance.choice((1, 2, 4, 40))) + pdu[at:]
    if chance.random() < 0.5:
        pdus[index] = _lengthened(pdus[index])


def _items(pdus: Pdus, _others: Sequence[Pdus], chance: Random) -> None:
    """Put items of the association request in where none belong, nested, many, or too long."""
    if not pdus or len(pdus[0]) <= _FIXED:
        return
    item = chance.randbytes(chance.choice((0, 1, 4, 64)))
    for _ in range(chance.choice((1, 2, 5, 60))):
        kind = chance.choice(_KINDS)
        length = chance.choice((len(item), len(item), chance.choice(_LENGTHS) & 0xFFFF))
        item = struct.pack(">BBH", kind, 0, min(length, 0xFFFF)) + item
    at = chance.choice((_FIXED, len(pdus[0]), chance.randrange(_FIXED, len(pdus[0]))))
    many = item * chance.choice((1, 1, 3, 200))
    pdus[0] = _lengthened(pdus[0][:at] + many + pdus[0][at:])


def _lengthened(pdu: bytes) -> bytes:
    return pdu[:2] + struct.pack(">L", max(0, len(pdu) - HEADER.size)) + pdu[6:]


MUTATORS: tuple[Mutator, ...] = (
    _flip_bits, _flip_early, _type, _pdu_length, _pdv, _pieces, _cut, _drop, _repeat, _reorder,
    _splice, _insert, _insert_inside, _items,
)  # fmt: skip
