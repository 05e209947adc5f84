"""The A-ASSOCIATE-RQ that a peer sends, and the A-ASSOCIATE-AC in answer (PS3.8 9.3.2, 9.3.3).

Read as receivers ought to: items that we do not know are stepped over (9.3.1), AE titles may be
padded with NUL as with blanks, of contexts with one number the first counts, and text that we do
not need may hold anything.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from daemon.errors import Rejected
from daemon.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from daemon.intake.association.pdu import HEADER, PduType

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_FIXED = struct.Struct(">H2x16s16s32s")
"""Protocol version, called and calling AE title, 32 bytes that are sent back as they came."""
_ITEM = struct.Struct(">BxH")
_MAXIMUM = struct.Struct(">L")
_UID_LENGTH = struct.Struct(">H")
_CONTEXT_START = 4
"""Presentation context ID and three bytes that are reserved, or a result."""

Roles = Mapping[str, tuple[bool, bool]]
"""SCU and SCP role by SOP Class UID (PS3.7 D.3.3.4)."""


class Unintelligible(Rejected):
    """The bytes are no association request."""


class ItemType(IntEnum):
    """Types of the items that we read or write."""

    APPLICATION_CONTEXT = 0x10
    PROPOSED_CONTEXT = 0x20
    ANSWERED_CONTEXT = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS = 0x52
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION = 0x55


class Result(IntEnum):
    """What becomes of a proposed presentation context (PS3.8 table 9-18)."""

    ACCEPTED = 0
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True)
class Proposed:
    """A presentation context that is proposed; it may lack transfer syntaxes."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class AssociationRequest:
    """An association request; `echoed` is called and calling AE title, and 32 bytes, as sent."""

    protocol_version: int
    echoed: tuple[bytes, bytes, bytes]
    application_context: str
    contexts: tuple[Proposed, ...]
    max_pdu: int = 0
    """Longest PDU that the peer takes, bytes; 0 is no limit."""
    roles: Roles = field(default_factory=dict)

    @property
    def called_ae(self) -> str:
        """The called AE title."""
        return _title(self.echoed[0])

    @property
    def calling_ae(self) -> str:
        """The calling AE title."""
        return _title(self.echoed[1])


@dataclass(frozen=True)
class Answered:
    """What becomes of a proposed presentation context."""

    context_id: int
    result: Result
    transfer_syntax: str


def read_request(pdu: bytes) -> AssociationRequest:
    """Read an A-ASSOCIATE-RQ, header included.

    Raises
    ------
    Unintelligible
        It is none, or has no presentation contexts.
    """
    body = memoryview(pdu)[HEADER.size :]
    try:
        version, *echoed = _FIXED.unpack_from(body)
    except struct.error as error:
        raise Unintelligible("association request is too short") from error
    application_context, user = "", memoryview(b"")
    contexts: dict[int, Proposed] = {}
    for kind, value in _items(body[_FIXED.size :]):
        if kind == ItemType.APPLICATION_CONTEXT:
            application_context = _uid(value)
        elif kind == ItemType.PROPOSED_CONTEXT:
            proposed = _proposed(value)
            contexts.setdefault(proposed.context_id, proposed)
        elif kind == ItemType.USER_INFORMATION:
            user = value
    if not contexts:
        raise Unintelligible("association request has no presentation contexts")
    max_pdu, roles = _user_information(user)
    return AssociationRequest(
        protocol_version=version,
        echoed=(echoed[0], echoed[1], echoed[2]),
        application_context=application_context,
        contexts=tuple(contexts.values()),
        max_pdu=max_pdu,
        roles=roles,
    )


def write_acceptance(
    wanted: AssociationRequest, answers: Sequence[Answered], max_pdu: int, roles: Roles
) -> bytes:
    """Return the A-ASSOCIATE-AC.

    Parameters
    ----------
    wanted : AssociationRequest
    answers : sequence of Answered
        One for each context, in the order of the request.
    max_pdu : int
        Longest PDU that we take, bytes.
    roles : mapping
        Those that we agree to.
    """
    user = [
        _item(ItemType.MAXIMUM_LENGTH, _MAXIMUM.pack(max_pdu)),
        _item(ItemType.IMPLEMENTATION_CLASS, IMPLEMENTATION_CLASS_UID.encode()),
        *(_role(sop_class, *both) for sop_class, both in roles.items()),
        _item(ItemType.IMPLEMENTATION_VERSION, IMPLEMENTATION_VERSION_NAME.encode()),
    ]
    body = b"".join(
        (
            _FIXED.pack(1, *wanted.echoed),
            _item(ItemType.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode()),
            *map(_answered, answers),
            _item(ItemType.USER_INFORMATION, b"".join(user)),
        )
    )
    return HEADER.pack(PduType.ASSOCIATE_AC, len(body)) + body


def _items(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Give type and value of each item."""
    position = 0
    while position < len(data):
        try:
            kind, length = _ITEM.unpack_from(data, position)
        except struct.error as error:
            raise Unintelligible("association request is truncated") from error
        position += _ITEM.size
        if position + length > len(data):
            raise Unintelligible("association request is truncated")
        yield kind, data[position : position + length]
        position += length


def _proposed(value: memoryview) -> Proposed:
    if len(value) < _CONTEXT_START:
        raise Unintelligible("presentation context is truncated")
    abstract, syntaxes = "", []
    for kind, inner in _items(value[_CONTEXT_START:]):
        if kind == ItemType.ABSTRACT_SYNTAX:
            abstract = _uid(inner)
        elif kind == ItemType.TRANSFER_SYNTAX and len(inner):
            syntaxes.append(_uid(inner))
    return Proposed(value[0], abstract, tuple(syntaxes))


def _user_information(value: memoryview) -> tuple[int, Roles]:
    """Return the longest PDU and the roles; a sub-item that cannot be read says nothing."""
    max_pdu, roles = 0, {}
    for kind, inner in _items(value):
        if kind == ItemType.MAXIMUM_LENGTH and len(inner) == _MAXIMUM.size:
            [max_pdu] = _MAXIMUM.unpack(inner)
        elif kind == ItemType.ROLE_SELECTION and len(inner) > _UID_LENGTH.size:
            [length] = _UID_LENGTH.unpack_from(inner)
            both = inner[_UID_LENGTH.size + length :]
            if len(both) == 2:  # noqa: PLR2004 - a byte for each role
                roles[_uid(inner[_UID_LENGTH.size :][:length])] = bool(both[0]), bool(both[1])
    return max_pdu, roles


def _answered(one: Answered) -> bytes:
    syntax = _item(ItemType.TRANSFER_SYNTAX, one.transfer_syntax.encode("latin-1"))
    return _item(ItemType.ANSWERED_CONTEXT, bytes((one.context_id, 0, one.result, 0)) + syntax)


def _role(sop_class: str, as_scu: bool, as_scp: bool) -> bytes:
    uid = sop_class.encode("latin-1")
    return _item(
        ItemType.ROLE_SELECTION, _UID_LENGTH.pack(len(uid)) + uid + bytes((as_scu, as_scp))
    )


def _item(kind: ItemType, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _uid(value: memoryview) -> str:
    """Return a UID: what follows the first NUL is padding, and so are blanks."""
    return bytes(value).strip(b" \0").split(b"\0")[0].decode("latin-1")


def _title(value: bytes) -> str:
    """Return an AE title: what follows the first NUL is padding, and so are blanks at both ends."""
    return value.split(b"\0")[0].decode("latin-1").strip()
