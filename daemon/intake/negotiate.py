"""Answer association requests (PS3.8 7.1, 9.3.2-9.3.4; roles: PS3.7 D.3.3.4).

pynetdicom reads and writes the PDUs. That takes milliseconds where a sender proposes a hundred
contexts, and senders send the same request each time: answers are remembered by the request's
bytes.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from daemon.errors import Rejected
from daemon.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from daemon.intake.pdu import Rejection

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
MAX_REQUEST_BYTES = 128 * 1024
"""128 contexts with every transfer syntax need a quarter of this."""
_REMEMBERED = 64
_VERSION_1 = 0x01
_UserItem = MaximumLengthNotification | SCP_SCU_RoleSelectionNegotiation


class Unintelligible(Rejected):
    """The bytes are no association request."""


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
        Calling AE titles that may connect; empty lets everybody in.
    contexts : sequence of PresentationContext
        What is supported.
    max_pdu_bytes : int
        The longest PDU that we ask for.
    """

    def __init__(
        self,
        ae_title: str,
        callers: Sequence[str],
        contexts: Sequence[PresentationContext],
        max_pdu_bytes: int,
    ) -> None:
        self._ae_title = ae_title
        self._callers = frozenset(callers)
        self._contexts = list(contexts)
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
        wanted, version = _read(request)
        calling = (wanted.calling_ae_title or "").strip()
        rejection = self._objection(wanted, version, calling)
        if rejection is not None:
            return Refusal(rejection, calling)
        proposed = wanted.presentation_context_definition_list
        roles = _roles(wanted.user_information)
        results, agreed = negotiate_as_acceptor(proposed, self._contexts, roles)
        return Accepted(
            answer=_write(wanted, results, [self._maximum(), *agreed]),
            contexts={
                one.context_id: Context(str(one.abstract_syntax), one.transfer_syntax[0])
                for one in results
                if one.result == 0 and one.context_id is not None
            },
            max_pdu=wanted.maximum_length_received or 0,
            calling_ae=calling,
        )

    def _objection(self, wanted: A_ASSOCIATE, version: int, calling: str) -> Rejection | None:
        if not version & _VERSION_1:
            return Rejection.PROTOCOL_VERSION
        if wanted.application_context_name != APPLICATION_CONTEXT:
            return Rejection.APPLICATION_CONTEXT
        if (wanted.called_ae_title or "").strip() != self._ae_title:
            return Rejection.CALLED_AE
        if self._callers and calling not in self._callers:
            return Rejection.CALLING_AE
        return None

    def _maximum(self) -> MaximumLengthNotification:
        item = MaximumLengthNotification()
        item.maximum_length_received = self._max_pdu_bytes
        return item


def _read(request: bytes) -> tuple[A_ASSOCIATE, int]:
    """Decode a request; pynetdicom has no single exception for what it cannot read."""
    pdu = A_ASSOCIATE_RQ()
    try:
        pdu.decode(request)
        wanted = pdu.to_primitive()
    except (ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise Unintelligible("association request cannot be read") from error
    identifiers = [one.context_id for one in wanted.presentation_context_definition_list]
    if not identifiers or len(set(identifiers)) < len(identifiers):
        raise Unintelligible("association request has no valid presentation contexts")
    return wanted, int(pdu.protocol_version)


def _roles(items: Iterable[object]) -> dict[UID, tuple[bool | None, bool | None]]:
    return {
        item.sop_class_uid: (bool(item.scu_role), bool(item.scp_role))
        for item in items
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.sop_class_uid is not None
    }


def _write(
    wanted: A_ASSOCIATE, results: list[PresentationContext], items: list[_UserItem]
) -> bytes:
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    accepted = A_ASSOCIATE()
    accepted.application_context_name = APPLICATION_CONTEXT
    accepted.calling_ae_title = wanted.calling_ae_title
    accepted.called_ae_title = wanted.called_ae_title
    accepted.result, accepted.result_source = 0x00, 0x01
    accepted.presentation_context_definition_results_list = results
    accepted.user_information = [*items, implementation, version]
    return A_ASSOCIATE_AC(accepted).encode()
