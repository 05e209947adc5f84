"""Decide on association requests (PS3.8 7.1; roles: PS3.7 D.3.3.4).

Senders send the same request each time: decisions are remembered by the request's bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydicom.config import IGNORE
from pydicom.uid import UID

from daemon.intake.association.associate import (
    APPLICATION_CONTEXT,
    Answered,
    AssociationRequest,
    Proposed,
    Result,
    Unintelligible,
    read_request,
    write_acceptance,
)
from daemon.intake.association.contexts import Supported
from daemon.intake.association.pdu import Rejection
from daemon.records import Origin

__all__ = ["MAX_REQUEST_BYTES", "Accepted", "Context", "Declined", "Negotiator", "Unintelligible"]

MAX_REQUEST_BYTES = 512 * 1024
"""128 contexts with all 48 transfer syntaxes of the standard need a third of this."""
_REMEMBERED = 64
_LONGEST_REMEMBERED = 64 * 1024
"""Bytes; what senders really say is shorter, and only the hostile could fill the memory."""
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
    origin: Origin


@dataclass(frozen=True)
class Declined:
    """An association that is not wanted."""

    rejection: Rejection
    calling_ae: str
    why: str
    """For the log: fixed words."""


class Negotiator:
    """Decides on association requests; safe to share between threads.

    Parameters
    ----------
    titles : sequence of str
        The called AE titles that are ours, in capitals or not.
    callers : sequence of str
        Calling AE titles that may connect, in capitals or not; empty lets everybody in who has one.
    supported : Supported
        The presentation contexts that are accepted.
    max_pdu_bytes : int
        The longest PDU that we ask for.
    """

    def __init__(
        self,
        titles: Sequence[str],
        callers: Sequence[str],
        supported: Supported,
        max_pdu_bytes: int,
    ) -> None:
        self._titles = {one.casefold(): one for one in titles}
        self._callers = frozenset(one.casefold() for one in callers)
        self._supported = supported
        self._max_pdu_bytes = max_pdu_bytes
        self._remembered = lru_cache(_REMEMBERED)(self._negotiate)

    def negotiate(self, request: bytes) -> Accepted | Declined:
        """Answer an A-ASSOCIATE-RQ.

        Raises
        ------
        Unintelligible
            It is none, or breaks the rules so that no answer is possible.
        """
        if len(request) > _LONGEST_REMEMBERED:
            return self._negotiate(request)
        return self._remembered(request)

    def _negotiate(self, request: bytes) -> Accepted | Declined:
        wanted = read_request(request)
        calling = wanted.calling_ae
        objection = self._objection(wanted)
        if objection is not None:
            rejection, why = objection
            return Declined(rejection, calling, why)
        answers = [self._answer(one) for one in wanted.contexts]
        roles = {
            sop_class: both
            for sop_class, both in wanted.roles.items()
            if sop_class in self._supported.services
        }
        return Accepted(
            answer=write_acceptance(wanted, answers, self._max_pdu_bytes, roles),
            contexts={
                one.context_id: Context(proposed.abstract_syntax, _uid(one.transfer_syntax))
                for one, proposed in zip(answers, wanted.contexts, strict=True)
                if one.result is Result.ACCEPTED
            },
            max_pdu=wanted.max_pdu,
            origin=Origin(calling, self._titles[wanted.called_ae.casefold()]),
        )

    def _objection(self, wanted: AssociationRequest) -> tuple[Rejection, str] | None:
        if not wanted.protocol_version & _VERSION_1:
            return Rejection.PROTOCOL_VERSION, "protocol version is not 1"
        if wanted.application_context != APPLICATION_CONTEXT:
            return Rejection.APPLICATION_CONTEXT, "application context name is not that of DICOM"
        if wanted.called_ae.casefold() not in self._titles:
            is_other = "is none of ours (node.ae_title)" if wanted.called_ae else "is blank"
            return Rejection.CALLED_AE, f"called AE title {is_other}"
        if not wanted.calling_ae:
            return Rejection.CALLING_AE, "calling AE title is blank"
        if self._callers and wanted.calling_ae.casefold() not in self._callers:
            return Rejection.CALLING_AE, "calling AE title is not in receiver.callers"
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


def _uid(text: str) -> UID:
    """Return a UID that a peer sent, valid or not: a warning for each would be kept for ever."""
    return UID(text, validation_mode=IGNORE)
