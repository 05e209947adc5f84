"""Protocol data units of the upper layer: types, reasons, and those we write (PS3.8 9.3)."""

import struct
from collections.abc import Iterator
from enum import IntEnum

from daemon.errors import Rejected

HEADER = struct.Struct(">BxL")
"""Type and length of what follows (PS3.8 9.3.1)."""
PDV_HEADER = struct.Struct(">LBB")
"""Item length, presentation context ID, message control header (PS3.8 9.3.5.1, E.2)."""
PDV_CONTROL = 2
"""Bytes of the item length that are context ID and control header."""
IS_COMMAND, IS_LAST = 0x01, 0x02
"""Bits of the message control header (PS3.8 E.2)."""

RELEASE_REPLY = bytes.fromhex("06000000000400000000")


class PduType(IntEnum):
    """The PDUs that a peer may send us, or we send."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    DATA = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 9.3.8)."""

    NOT_SPECIFIED = 0
    UNRECOGNISED_PDU = 1
    UNEXPECTED_PDU = 2
    INVALID_PARAMETER = 6


class Rejection(IntEnum):
    """Result, source and reason of an A-ASSOCIATE-RJ, a byte each (PS3.8 9.3.4)."""

    APPLICATION_CONTEXT = 0x010102
    CALLING_AE = 0x010103
    CALLED_AE = 0x010107
    PROTOCOL_VERSION = 0x010202
    LOCAL_LIMIT = 0x020302


class Violation(Rejected):
    """The peer breaks the protocol; the association is to be aborted."""

    def __init__(self, reason: AbortReason, what: str) -> None:
        super().__init__(what)
        self.reason = reason


def abort(reason: AbortReason) -> bytes:
    """Return an A-ABORT of the service provider."""
    return HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, 2, reason))


def reject(rejection: Rejection) -> bytes:
    """Return an A-ASSOCIATE-RJ."""
    return HEADER.pack(PduType.ASSOCIATE_RJ, 4) + b"\0" + rejection.to_bytes(3, "big")


def message(context_id: int, command: bytes, data_set: bytes, max_pdu: int) -> bytes:
    """Return a whole message as P-DATA-TF PDUs of one PDV each.

    Parameters
    ----------
    context_id : int
    command, data_set : bytes
        An empty data set is not sent.
    max_pdu : int
        Longest PDU that the peer takes, bytes; 0 is no limit (PS3.8 D.1).
    """
    parts = [*_pdus(context_id, IS_COMMAND, command, max_pdu)]
    if data_set:
        parts += _pdus(context_id, 0, data_set, max_pdu)
    return b"".join(parts)


def _pdus(context_id: int, kind: int, data: bytes, max_pdu: int) -> Iterator[bytes]:
    size = max(max_pdu - PDV_HEADER.size, 2) if max_pdu else len(data)
    for start in range(0, len(data), size):
        part = data[start : start + size]
        control = kind | (IS_LAST if start + size >= len(data) else 0)
        yield HEADER.pack(PduType.DATA, len(part) + PDV_HEADER.size)
        yield PDV_HEADER.pack(len(part) + PDV_CONTROL, context_id, control)
        yield part
