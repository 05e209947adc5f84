"""Command sets: what a DIMSE message asks, and what is answered (PS3.7 6.3.1, annex E).

Always Implicit VR Little Endian, group 0000, and small; read and written here as bytes.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from daemon.errors import Rejected

_ELEMENT = struct.Struct("<HHL")
_US = struct.Struct("<H")
_UL = struct.Struct("<L")
_GROUP = 0x0000
_COMMENT_LENGTH = 64
NO_DATA_SET = 0x0101
_HAS_DATA_SET = 0x0001
_IS_ANSWER = 0x8000


class Field(IntEnum):
    """Command Field of the requests that we know (PS3.7 E.1)."""

    C_STORE = 0x0001
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_ACTION = 0x0130
    C_CANCEL = 0x0FFF


class Tag(IntEnum):
    """Element numbers of group 0000 (PS3.7 E.1)."""

    GROUP_LENGTH = 0x0000
    AFFECTED_SOP_CLASS = 0x0002
    REQUESTED_SOP_CLASS = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    ANSWERED_MESSAGE_ID = 0x0120
    DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    ERROR_COMMENT = 0x0902
    AFFECTED_SOP_INSTANCE = 0x1000
    REQUESTED_SOP_INSTANCE = 0x1001
    EVENT_TYPE = 0x1002
    ACTION_TYPE = 0x1008


class Malformed(Rejected):
    """These bytes are no command set; the association cannot go on."""


@dataclass(frozen=True)
class Command:
    """A request's command set; values are the bytes that came."""

    field: int
    message_id: int
    has_data_set: bool
    values: Mapping[int, bytes]

    @property
    def is_answer(self) -> bool:
        """Whether this answers a request; we send none on these associations."""
        return bool(self.field & _IS_ANSWER)

    @property
    def sop_class_uid(self) -> str:
        """Affected, or else Requested SOP Class UID; empty if there is none."""
        return self._uid(Tag.AFFECTED_SOP_CLASS) or self._uid(Tag.REQUESTED_SOP_CLASS)

    @property
    def sop_instance_uid(self) -> str:
        """Affected, or else Requested SOP Instance UID; empty if there is none."""
        return self._uid(Tag.AFFECTED_SOP_INSTANCE) or self._uid(Tag.REQUESTED_SOP_INSTANCE)

    def _uid(self, tag: Tag) -> str:
        return self.values.get(tag, b"").strip(b" \0").decode("latin-1")


def read_command(data: bytes | bytearray) -> Command:
    """Read a whole command set.

    Raises
    ------
    Malformed
        Truncated, or without the elements that every request has.
    """
    values: dict[int, bytes] = {}
    position = 0
    try:
        while len(data) - position >= _ELEMENT.size:
            group, tag, length = _ELEMENT.unpack_from(data, position)
            position += _ELEMENT.size + length
            if position > len(data):
                raise Malformed("command set is damaged")
            if group == _GROUP:
                values[tag] = bytes(data[position - length : position])
        if any(data[position:]):  # zeros are padding
            raise Malformed("command set is damaged")
        return Command(
            field=_number(values[Tag.COMMAND_FIELD]),
            message_id=_number(values.get(Tag.MESSAGE_ID, b"\0\0")),
            has_data_set=_number(values[Tag.DATA_SET_TYPE]) != NO_DATA_SET,
            values=values,
        )
    except (KeyError, struct.error) as error:
        raise Malformed("command set is incomplete") from error


def _number(value: bytes) -> int:
    """Return a number of two bytes; some senders write four."""
    return int(_US.unpack_from(value)[0])


def write_answer(
    request: Command, status: int, comment: str = "", *, has_data_set: bool = False
) -> bytes:
    """Write the command set that answers a request (PS3.7 9.3 and 10.3).

    Parameters
    ----------
    request : Command
    status : int
        PS3.7 annex C, or the service's own.
    comment : str
        Error Comment, ASCII; the first 64 characters are sent.
    has_data_set : bool
        Whether a data set follows.
    """
    values = {
        Tag.AFFECTED_SOP_CLASS: request.sop_class_uid.encode("latin-1"),
        Tag.COMMAND_FIELD: _US.pack(request.field | _IS_ANSWER),
        Tag.ANSWERED_MESSAGE_ID: _US.pack(request.message_id),
        Tag.DATA_SET_TYPE: _US.pack(_HAS_DATA_SET if has_data_set else NO_DATA_SET),
        Tag.STATUS: _US.pack(status),
        Tag.ERROR_COMMENT: comment[:_COMMENT_LENGTH].encode("ascii", "replace"),
        Tag.AFFECTED_SOP_INSTANCE: request.sop_instance_uid.encode("latin-1"),
    }
    for tag in (Tag.EVENT_TYPE, Tag.ACTION_TYPE):
        values[tag] = request.values.get(tag, b"")
    body = b"".join(_element(tag, value) for tag, value in sorted(values.items()) if value)
    return _element(Tag.GROUP_LENGTH, _UL.pack(len(body))) + body


def _element(tag: int, value: bytes) -> bytes:
    padding = (b" " if tag == Tag.ERROR_COMMENT else b"\0") if len(value) % 2 else b""
    return _ELEMENT.pack(_GROUP, tag, len(value) + len(padding)) + value + padding
