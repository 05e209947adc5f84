"""One association from its first byte to its end: negotiation, PDUs, and how it ends (PS3.8 9.2).

Runs in a thread of its own. We never ask for the release, so that no release collision can arise.
"""

import logging
from time import monotonic

from daemon.intake.association.conversation import Conversation, House
from daemon.intake.association.negotiate import (
    MAX_REQUEST_BYTES,
    Accepted,
    Declined,
    Unintelligible,
)
from daemon.intake.association.pdu import (
    HEADER,
    RELEASE_REPLY,
    AbortReason,
    PduType,
    Rejection,
    Violation,
    abort,
    reject,
)
from daemon.intake.association.wire import PeerGone, TooSlow, Wire
from daemon.signals import Signal

logger = logging.getLogger(__name__)

_HEADER_TOLERANCE = 6
"""Some senders do not count the PDU header where they keep to our maximum length."""


class Association:
    """A connection from its first byte to its end."""

    def __init__(self, house: House, wire: Wire, host: str) -> None:
        self._house = house
        self._limits = house.limits
        self._wire = wire
        self._host = host
        self._calling_ae = ""
        self._conversation: Conversation | None = None

    def run(self) -> None:
        """Serve the peer until it releases, aborts, leaves, or has to be cut."""
        try:
            accepted = self._negotiate()
            if accepted is not None:
                self._conversation = Conversation(self._house, accepted, self._wire, self._host)
                self._serve(self._conversation)
        except Violation as violation:
            self._end(Signal.CUT_PROTOCOL_VIOLATION, violation)
            self._say(abort(violation.reason))
        except TooSlow as slow:
            self._end(Signal.CUT_TOO_SLOW, slow)
            self._say(abort(AbortReason.NOT_SPECIFIED))
        except PeerGone as gone:
            if self._conversation is not None and not self._conversation.is_idle:
                self._end(Signal.LOST_CONNECTIONS, gone)
        finally:
            if self._conversation is not None:
                self._conversation.abandon()
            self._wire.hang_up()

    def _end(self, ending: Signal, why: Exception) -> None:
        self._house.intake.counts.add(ending)
        logger.warning("association ended: %s", why, extra={"peer": self._calling_ae})

    def _say(self, last_words: bytes) -> None:
        try:
            self._wire.send(last_words)
        except (PeerGone, TooSlow):
            logger.debug("the peer did not wait for our last words")

    def _negotiate(self) -> Accepted | None:
        within_s = self._limits.association_timeout_s
        header = self._wire.read(HEADER.size, within_s)
        kind, length = HEADER.unpack(header)
        if kind != PduType.ASSOCIATE_RQ or length > MAX_REQUEST_BYTES:
            raise Violation(AbortReason.UNEXPECTED_PDU, "no association request")
        body = self._wire.read(length, within_s)
        try:
            decision = self._house.negotiator.negotiate(bytes(header + body))
        except Unintelligible as error:
            raise Violation(AbortReason.INVALID_PARAMETER, str(error)) from error
        if isinstance(decision, Declined):
            self._calling_ae = decision.calling_ae
            self._reject(decision.rejection, Signal.REJECTED_ASSOCIATIONS, decision.why)
            return None
        self._calling_ae = decision.origin.calling_ae
        if not self._house.connections.establish(self._wire):
            self._reject(Rejection.LOCAL_LIMIT, Signal.REJECTED_TOO_MANY, "too many associations")
            return None
        self._wire.send(decision.answer)
        return decision

    def _reject(self, rejection: Rejection, ending: Signal, why: str) -> None:
        logger.warning("association rejected: %s", why, extra={"peer": self._calling_ae})
        self._house.intake.counts.add(ending)
        self._say(reject(rejection))

    def _serve(self, conversation: Conversation) -> None:
        limits = self._limits
        end = monotonic() + limits.max_association_s
        buffer = memoryview(bytearray(limits.max_pdu_bytes + _HEADER_TOLERANCE))
        header = buffer[: HEADER.size]
        while True:
            idle = conversation.is_idle
            self._wire.read_into(
                header, limits.network_timeout_s if idle else limits.message_timeout_s
            )
            kind, length = HEADER.unpack(header)
            if length > len(buffer):
                raise Violation(AbortReason.INVALID_PARAMETER, "PDU is too long")
            body = buffer[:length]
            self._wire.read_into(body, limits.message_timeout_s)
            if kind != PduType.DATA:
                self._control(kind)
                return
            conversation.take(body)
            if monotonic() > end:
                raise TooSlow("association is too old")

    def _control(self, kind: int) -> None:
        """Act on a PDU that ends the association, or that has no place in it."""
        if kind == PduType.RELEASE_RQ:
            self._wire.send(RELEASE_REPLY)
        elif kind not in list(PduType):
            raise Violation(AbortReason.UNRECOGNISED_PDU, f"PDU of unknown type {kind}")
        elif kind != PduType.ABORT:
            raise Violation(AbortReason.UNEXPECTED_PDU, f"PDU of type {kind} out of place")
