"""How archives misbehave, by name; and what is to become of the first object meanwhile."""

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from daemon.intake.association.associate import Answered, Result
from daemon.intake.association.command import Command, Field, Tag
from daemon.intake.association.pdu import (
    HEADER,
    IS_COMMAND,
    IS_LAST,
    PDV_HEADER,
    AbortReason,
    PduType,
    abort,
)
from tests.archives.archive import Behaviour, Conversation, stores
from tests.benchmarks.blast import Item, data_pdu, element, pdv, store_pdus

RELEASE_RQ = bytes.fromhex("05000000000400000000")
BEHAVIOURS: dict[str, Behaviour] = {}
PARKED, PENDING, DELIVERED = "parked", "pending", "delivered"
EXPECTED: dict[str, str] = {}
"""State of the first object's delivery while the archive misbehaves."""
_A_LOT = 1 << 30
_SOME_BYTES = 512


def behaviour(name: str, state: str = PENDING) -> Callable[[Behaviour], Behaviour]:
    """Enter a behaviour into the table."""

    def enter(play: Behaviour) -> Behaviour:
        BEHAVIOURS[name], EXPECTED[name] = play, state
        return play

    return enter


def rejection(result: int, source: int, reason: int) -> bytes:
    return HEADER.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))


def answered(c: Conversation, **changes: object) -> None:
    """Answer another request than the first one, which is not kept."""
    request = c.accept().request()
    c.answer(replace(request, command=replace(request.command, **changes)))
    c.pause()


# -- before there is an association


@behaviour("mute-after-connect")
def _(c: Conversation) -> None:
    c.pause()


@behaviour("mute-after-request")
def _(c: Conversation) -> None:
    c.asked()
    c.pause()


@behaviour("reset-at-connect")
def _(c: Conversation) -> None:
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@behaviour("closes-after-request")
def _(c: Conversation) -> None:
    c.asked()


@behaviour("speaks-http")
def _(c: Conversation) -> None:
    c.asked()
    c.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    c.pause()


@behaviour("garbage-zeros")
def _(c: Conversation) -> None:
    c.asked()
    c.send(bytes(1 << 16))
    c.pause()


@behaviour("garbage-acceptance")
def _(c: Conversation) -> None:
    c.asked()
    c.send(HEADER.pack(PduType.ASSOCIATE_AC, 4096), os.urandom(4096))
    c.pause()


@behaviour("wrong-pdu-type")
def _(c: Conversation) -> None:
    c.asked()
    c.send(HEADER.pack(PduType.RELEASE_RP, 4), bytes(4))
    c.pause()


@behaviour("asks-back")
def _(c: Conversation) -> None:
    _kind, request = c.pdu()
    c.send(request)
    c.pause()


@behaviour("endless-header")
def _(c: Conversation) -> None:
    c.asked()
    c.send(HEADER.pack(PduType.ASSOCIATE_AC, 2**32 - 1))
    while True:
        c.send(bytes(1 << 16))


@behaviour("acceptance-cut-in-half")
def _(c: Conversation) -> None:
    whole = c.acceptance()
    c.send(whole[: len(whole) // 2])
    c.pause()


@behaviour("acceptance-then-end")
def _(c: Conversation) -> None:
    whole = c.acceptance()
    c.send(whole[: len(whole) // 2])


@behaviour("accepts-no-context")
def _(c: Conversation) -> None:
    c.accept(answers=[])
    c.pause()


@behaviour("accepts-what-nobody-asked")
def _(c: Conversation) -> None:
    c.accept(answers=[Answered(201, Result.ACCEPTED, "1.2.840.10008.1.2")])
    c.pause()


@behaviour("rejects-for-good", PARKED)
def _(c: Conversation) -> None:
    c.asked()
    c.send(rejection(1, 1, 3))
    c.pause()


@behaviour("rejects-for-now")
def _(c: Conversation) -> None:
    c.asked()
    c.send(rejection(2, 1, 1))
    c.pause()


@behaviour("rejects-by-local-limit")
def _(c: Conversation) -> None:
    c.asked()
    c.send(rejection(2, 3, 2))


@behaviour("rejects-without-a-known-reason")
def _(c: Conversation) -> None:
    c.asked()
    c.send(rejection(2, 9, 200))


@behaviour("drips-acceptance")
def _(c: Conversation) -> None:
    c.drip(c.acceptance())


@behaviour("aborts-at-once")
def _(c: Conversation) -> None:
    c.accept().send(abort(AbortReason.NOT_SPECIFIED))
    c.pause()


@behaviour("releases-at-once")
def _(c: Conversation) -> None:
    c.accept().send(RELEASE_RQ)
    c.pause()


for _size in (1, 2, 6, 7, 8, 12, 100, 4095):

    @behaviour(f"max-pdu-{_size}")
    def _(c: Conversation, size: int = _size) -> None:
        c.accept(max_pdu=size)
        c.request()
        c.pause()


for _size in (0, 4096, 2**32 - 1):

    @behaviour(f"max-pdu-{_size}", DELIVERED)
    def _(c: Conversation, size: int = _size) -> None:
        stores(c, max_pdu=size)


@behaviour("refuses-one-class", PARKED)
def _(c: Conversation) -> None:
    wanted = c.asked()
    first = wanted.contexts[0].abstract_syntax
    c.accept(
        answers=[
            Answered(
                one.context_id,
                Result.ABSTRACT_SYNTAX_NOT_SUPPORTED
                if one.abstract_syntax == first
                else Result.ACCEPTED,
                one.transfer_syntaxes[0],
            )
            for one in wanted.contexts
        ]
    )
    c.pause()


# -- while an object is sent


@behaviour("mute-after-object")
def _(c: Conversation) -> None:
    c.accept().request()
    c.pause()


@behaviour("stops-reading")
def _(c: Conversation) -> None:
    c.accept()
    c.socket.recv(_SOME_BYTES)
    c.pause()


@behaviour("reads-a-byte-at-a-time")
def _(c: Conversation) -> None:
    c.accept()
    while c.socket.recv(1):
        c.pause(0.3)


@behaviour("aborts-before-storing")
def _(c: Conversation) -> None:
    c.accept().request()
    c.send(abort(AbortReason.NOT_SPECIFIED))


@behaviour("aborts-after-storing")
def _(c: Conversation) -> None:
    c.accept()
    c.archive.keep(c.request())
    c.send(abort(AbortReason.NOT_SPECIFIED))


@behaviour("closes-after-storing")
def _(c: Conversation) -> None:
    c.accept()
    c.archive.keep(c.request())


@behaviour("closes-in-mid-object")
def _(c: Conversation) -> None:
    c.accept()
    c.socket.recv(_SOME_BYTES)


# -- in answer to an object


@behaviour("drips-answer")
def _(c: Conversation) -> None:
    c.accept().request()
    c.drip(HEADER.pack(PduType.DATA, 200) + bytes(200))


@behaviour("endless-pdu")
def _(c: Conversation) -> None:
    c.accept().request()
    c.send(HEADER.pack(PduType.DATA, _A_LOT), PDV_HEADER.pack(_A_LOT - 4, 1, IS_COMMAND))
    while True:
        c.send(bytes(1 << 16))


@behaviour("endless-message")
def _(c: Conversation) -> None:
    c.accept().request()
    while True:
        c.send(data_pdu(pdv(1, IS_COMMAND, bytes(1 << 16))))


@behaviour("endless-crumbs")
def _(c: Conversation) -> None:
    c.accept().request()
    while True:
        c.send(data_pdu(pdv(1, IS_COMMAND, b"\0")) * 64)


@behaviour("garbage-command")
def _(c: Conversation) -> None:
    c.accept().request()
    c.send(data_pdu(pdv(1, IS_COMMAND | IS_LAST, os.urandom(200))))
    c.pause()


@behaviour("unknown-command")
def _(c: Conversation) -> None:
    c.accept().request()
    command = element(0x0100, b"\x77\x87") + element(0x0800, b"\x01\x01")
    c.send(data_pdu(pdv(1, IS_COMMAND | IS_LAST, command)))
    c.pause()


@behaviour("no-status")
def _(c: Conversation) -> None:
    request = c.accept().request()
    command = b"".join(
        (
            element(0x0100, struct.pack("<H", 0x8001)),
            element(0x0120, struct.pack("<H", request.command.message_id)),
            element(0x0800, b"\x01\x01"),
        )
    )
    c.send(data_pdu(pdv(request.context_id, IS_COMMAND | IS_LAST, command)))
    c.pause()


@behaviour("wrong-message-id")
def _(c: Conversation) -> None:
    answered(c, message_id=77)


@behaviour("wrong-instance")
def _(c: Conversation) -> None:
    answered(c, values={Tag.AFFECTED_SOP_INSTANCE: b"1.2.3.4"})


@behaviour("other-command")
def _(c: Conversation) -> None:
    answered(c, field=int(Field.C_ECHO))


@behaviour("asks-us-to-store")
def _(c: Conversation) -> None:
    request = c.accept().request()
    item = Item(request.command.sop_class_uid, "", "1.2.3.4.5", bytes(64))
    c.send(store_pdus(item, request.context_id, 16384))
    c.pause()


@behaviour("answers-late")
def _(c: Conversation) -> None:
    request = c.accept().request()
    c.pause(2.5)
    c.answer(request)
    c.pause()


@behaviour("answers-twice", DELIVERED)
def _(c: Conversation) -> None:
    c.accept()
    while True:
        request = c.request()
        c.archive.keep(request)
        c.answer(request)
        c.answer(request)


@behaviour("floods-answers")
def _(c: Conversation) -> None:
    request = c.accept().request()
    other = replace(request, command=Command(1, 9, False, {}))
    while True:
        c.answer(other)


for _status, _state in (
    (0xB000, DELIVERED),
    (0xB006, DELIVERED),
    (0x0111, DELIVERED),
    (0xA700, PENDING),
    (0x0110, PENDING),
    (0x0122, PARKED),
    (0x0124, PARKED),
    (0xC000, PARKED),
    (0xFF00, PARKED),
):
    BEHAVIOURS[f"status-{_status:04X}"] = partial(stores, status=_status, keeps=_state == DELIVERED)
    EXPECTED[f"status-{_status:04X}"] = _state


# -- at the end

BEHAVIOURS["never-answers-the-release"] = partial(stores, answers_release=False)
EXPECTED["never-answers-the-release"] = DELIVERED
