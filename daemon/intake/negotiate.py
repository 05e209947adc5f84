"""Decide on association requests (PS3.8 7.1; roles: PS3.7 D.3.3.4).

Senders send the same request each time: decisions are remembered by the request's bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydicom.uid import UID

from daemon.intake.associate import (
    APPLICATION_CONTEXT,
    Answered,
    Proposed,
    Result,
    Unintelligible,
    Wanted,
    read_request,
    write_acceptance,
)
from daemon.intake.contexts import Supported
from daemon.intake.pdu import Rejection

__all__ = ["MAX_REQUEST_BYTES", "Accepted", "Context", "Negotiator", "Refusal", "Unintelligible"]

MAX_REQUEST_BYTES = 128 * 1024
"""128 contexts with every transfer syntax need a quarter of this."""
_REMEMBERED = 64
_VERSION_1 = 0x01


@dataclass(frozen=True)
class Context:
    """An accepted presentation context."""

    abstract_syntax: str
    transfer_syntax: UID


@dataclass(frozen=True)
class Accepted:
    """An association as negotiated."""

    answer: bytes
    """The A-ASSOCIATE-AC."""
    contexts: dict[int, Context]
    max_pdu: int
    """Longest PDU that the peer takes, bytes; 0 is no limit."""
    calling_ae: str


@dataclass(frozen=True)
class Refusal:
    """An association that is not wanted."""

    rejection: Rejection
    calling_ae: str


class Negotiator:
    """Decides on association requests; safe to share between threads.

    Parameters
    ----------
    ae_title : str
        The only called AE title that is ours.
    callers : sequence of str
        Calling AE titles that may connect; empty lets everybody in who has one.
    supported : Supported
        The presentation contexts that are accepted.
    max_pdu_bytes : int
        The longest PDU that we ask for.
    """

    def __init__(
        self, ae_title: str, callers: Sequence[str], supported: Supported, max_pdu_bytes: int
    ) -> None:
        self._ae_title = ae_title
        self._callers = frozenset(callers)
        self._supported = supported
        self._max_pdu_bytes = max_pdu_bytes
        self.negotiate = lru_cache(_REMEMBERED)(self._negotiate)
        """Takes the A-ASSOCIATE-RQ as bytes; see `_negotiate`."""

    def _negotiate(self, request: bytes) -> Accepted | Refusal:
        """Answer a request.

        Raises
        ------
        Unintelligible
            It is none, or breaks the rules so that no answer is possible.
        """
        wanted = read_request(request)
        calling = wanted.calling_ae
        rejection = self._objection(wanted)
        if rejection is not None:
            return Refusal(rejection, calling)
        answers = [self._answer(one) for one in wanted.contexts]
        roles = {
            sop_class: both
            for sop_class, both in wanted.roles.items()
            if sop_class in self._supported.services
        }
        return Accepted(
            answer=write_acceptance(wanted, answers, self._max_pdu_bytes, roles),
            contexts={
                one.context_id: Context(proposed.abstract_syntax, UID(one.transfer_syntax))
                for one, proposed in zip(answers, wanted.contexts, strict=True)
                if one.result is Result.ACCEPTED
            },
            max_pdu=wanted.max_pdu,
            calling_ae=calling,
        )

    def _objection(self, wanted: Wanted) -> Rejection | None:
        if not wanted.protocol_version & _VERSION_1:
            return Rejection.PROTOCOL_VERSION
        if wanted.application_context != APPLICATION_CONTEXT:
            return Rejection.APPLICATION_CONTEXT
        if wanted.called_ae != self._ae_title:
            return Rejection.CALLED_AE
        calling = wanted.calling_ae
        if not calling or (self._callers and calling not in self._callers):
            return Rejection.CALLING_AE
        return None

    def _answer(self, one: Proposed) -> Answered:
        taken = self._supported.syntaxes(one.abstract_syntax, one.transfer_syntaxes)
        if taken is None:
            result = Result.ABSTRACT_SYNTAX_NOT_SUPPORTED
        elif not taken:
            result = Result.TRANSFER_SYNTAXES_NOT_SUPPORTED
        else:
            return Answered(one.context_id, Result.ACCEPTED, taken)
        any_of_theirs = next(iter(one.transfer_syntaxes), "")  # it has no meaning here (9.3.3.2.1)
        return Answered(one.context_id, result, any_of_theirs)
