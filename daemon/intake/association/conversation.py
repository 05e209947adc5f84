"""What is said on an association: requests put together from their pieces, and answered (PS3.7).

A message is one command set and, if that says so, one data set, in as many pieces as the sender
likes, on one presentation context. The data set of a C-STORE goes to the intake piece by piece;
every other request is small and handed over whole.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from time import monotonic

from daemon.crashpoints import crash_point
from daemon.dicom.status import Status
from daemon.intake.association.command import Command, Field, Malformed, read_command, write_answer
from daemon.intake.association.connections import Connections
from daemon.intake.association.contexts import READ_TRANSFER_SYNTAXES, is_storage
from daemon.intake.association.negotiate import Accepted, Context, Negotiator
from daemon.intake.association.pdu import (
    IS_COMMAND,
    IS_LAST,
    PDV_CONTROL,
    PDV_HEADER,
    AbortReason,
    Violation,
    message,
)
from daemon.intake.association.requests import AnswerTable, Request, Response, answer
from daemon.intake.association.wire import TooSlow, Wire
from daemon.intake.sending import Sending
from daemon.intake.store.admit import ANALYSED_SOP_CLASSES, Announced, Refusal, Refused
from daemon.intake.store.incoming import Incoming, Intake
from daemon.settings import ReceiverSettings

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 1 << 20
"""A command set, or the data set of anything but a C-STORE, is never longer."""


@dataclass(frozen=True, eq=False)
class House:
    """What every association of a receiver shares."""

    limits: ReceiverSettings
    intake: Intake
    negotiator: Negotiator
    answers: AnswerTable
    connections: Connections
    request_in_hand: Callable[[], AbstractContextManager[bool]]
    """Entered while a whole request is answered; gives False when the receiver is stopping."""
    sending: Sending = field(default_factory=Sending)


@dataclass
class _Message:
    """A message whose command set is complete and whose data set is on its way."""

    context_id: int
    context: Context
    command: Command
    begun: float
    incoming: Incoming | None
    data_set: bytearray

    def write(self, piece: memoryview) -> None:
        if self.incoming is not None:
            self.incoming.write(piece)
            return
        self.data_set += piece
        if len(self.data_set) > MAX_MESSAGE_BYTES:
            raise Violation(AbortReason.NOT_SPECIFIED, "data set of a request is too long")


class Conversation:
    """The messages of one accepted association."""

    def __init__(self, house: House, accepted: Accepted, wire: Wire, host: str) -> None:
        self._house = house
        self._limits = house.limits
        self._accepted = accepted
        self._wire = wire
        self._host = host
        self._command = bytearray()
        self._command_context = 0
        self._message: _Message | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no message has begun that has not ended."""
        return self._message is None and not self._command

    def abandon(self) -> None:
        """Drop what was on its way."""
        self._house.sending.left(self)
        if self._message is not None and self._message.incoming is not None:
            self._message.incoming.abandon()

    def take(self, body: memoryview) -> None:
        """Take the presentation data values of one PDU; send the answers that fall due.

        Raises
        ------
        Violation, TooSlow, PeerGone
            The association cannot go on.
        """
        position, size = 0, len(body)
        while position < size:
            if size - position < PDV_HEADER.size:
                raise Violation(AbortReason.INVALID_PARAMETER, "PDV is incomplete")
            length, context_id, control = PDV_HEADER.unpack_from(body, position)
            start = position + PDV_HEADER.size
            position = start + length - PDV_CONTROL
            if length < PDV_CONTROL or position > size:
                raise Violation(AbortReason.INVALID_PARAMETER, "PDV does not fit its PDU")
            piece, is_last = body[start:position], bool(control & IS_LAST)
            if control & IS_COMMAND:
                self._take_command(context_id, piece, is_last)
            else:
                self._take_data(context_id, piece, is_last)

    def _take_command(self, context_id: int, piece: memoryview, is_last: bool) -> None:
        if self._message is not None or (self._command and context_id != self._command_context):
            raise Violation(AbortReason.INVALID_PARAMETER, "messages are mixed up")
        self._command_context = context_id
        self._command += piece
        if len(self._command) > MAX_MESSAGE_BYTES:
            raise Violation(AbortReason.NOT_SPECIFIED, "command set is too long")
        if is_last:
            command, self._command = self._command, bytearray()
            self._begin(context_id, command)

    def _begin(self, context_id: int, data: bytearray) -> None:
        context = self._accepted.contexts.get(context_id)
        if context is None:
            raise Violation(AbortReason.INVALID_PARAMETER, "context was not accepted")
        try:
            command = read_command(data)
        except Malformed as error:
            raise Violation(AbortReason.INVALID_PARAMETER, str(error)) from error
        if command.is_answer:
            raise Violation(AbortReason.NOT_SPECIFIED, "a response that answers no request")
        incoming = None
        if command.field == Field.C_STORE and _are_storage(command, context):
            announced = Announced(
                command.sop_class_uid, command.sop_instance_uid, context.transfer_syntax
            )
            self._house.sending.begins(self)
            incoming = self._house.intake.begin(announced, self._accepted.origin)
        self._message = _Message(context_id, context, command, monotonic(), incoming, bytearray())
        if not command.has_data_set:
            self._finish(self._message)

    def _take_data(self, context_id: int, piece: memoryview, is_last: bool) -> None:
        current = self._message
        if current is None or current.context_id != context_id:
            raise Violation(AbortReason.INVALID_PARAMETER, "data set without its command")
        current.write(piece)
        if is_last:
            self._finish(current)
        elif current.incoming is not None:
            self._check_pace(current.incoming.size, monotonic() - current.begun)

    def _check_pace(self, size: int, elapsed_s: float) -> None:
        limits = self._limits
        if elapsed_s > limits.message_timeout_s and size < limits.min_bytes_per_s * elapsed_s:
            raise TooSlow("object comes too slowly")
        if size > 2 * limits.max_object_bytes:
            raise Violation(AbortReason.NOT_SPECIFIED, "object has no end")

    def _finish(self, current: _Message) -> None:
        with self._house.request_in_hand() as may_begin:
            reply = self._answer(current) if may_begin else self._put_off(current)
            self._message = None
            if current.incoming is not None:
                self._house.sending.ends(self, current.incoming.study_uid)
            if reply is None:
                return
            command = write_answer(
                current.command, reply.status, reply.comment, has_data_set=bool(reply.data_set)
            )
            crash_point("before-answer")
            self._wire.send(
                message(current.context_id, command, reply.data_set, self._accepted.max_pdu)
            )

    def _put_off(self, current: _Message) -> Response:
        self._house.intake.counts.add(Refusal.STOPPING.value)
        if current.incoming is not None:
            current.incoming.abandon()
        return Response(Status.OUT_OF_RESOURCES, "this node is stopping")

    def _answer(self, current: _Message) -> Response | None:
        """Answer a whole message; C-CANCEL alone gets none (PS3.7 9.3.2.3)."""
        command = current.command
        try:
            if current.incoming is not None:
                return self._store(current.incoming)
            if command.field == Field.C_STORE:
                return Response(
                    Status.SOP_CLASS_NOT_SUPPORTED, "SOP class or context is not for storage"
                )
            if command.field == Field.C_CANCEL:
                return None
            request = Request(
                command,
                current.context.abstract_syntax,
                current.context.transfer_syntax,
                bytes(current.data_set),
                self._accepted.origin.calling_ae,
                self._host,
            )
            return answer(request, self._house.answers)
        except Exception:  # a defect of ours costs this request, not the association
            logger.exception("request failed", extra={"peer": self._accepted.origin.calling_ae})
            return Response(Status.PROCESSING_FAILURE, "this node failed")

    def _store(self, incoming: Incoming) -> Response:
        try:
            incoming.finish()
        except Refused as refused:
            incoming.abandon()
            logger.warning(
                "object refused: %s",
                refused,
                extra={"peer": self._accepted.origin.calling_ae, "status": hex(refused.status)},
            )
            return Response(refused.status, str(refused))
        return Response(Status.SUCCESS)


def _are_storage(command: Command, context: Context) -> bool:
    """Tell whether an object may come here.

    Some senders use the context of another storage class: what the object is, it says itself, and
    the context says how it is encoded, which for an object that is analysed must be known.
    """
    is_known = context.transfer_syntax in READ_TRANSFER_SYNTAXES
    return (
        is_storage(command.sop_class_uid)
        and is_storage(context.abstract_syntax)
        and (is_known or command.sop_class_uid not in ANALYSED_SOP_CLASSES)
    )
