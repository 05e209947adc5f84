"""The only place where the daemon opens an association, as the service class user (PS3.8 7.1).

Store, find, move, get and storage commitment all call through one `Caller`. What it opens has a
deadline at every step, takes no PDU and no message without an end, hears no answer but those to
its own requests, and leaves no thread and no descriptor behind.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Lock
from time import monotonic
from typing import Any, Protocol

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from daemon.calling.exchange import Answers
from daemon.calling.line import Line
from daemon.calling.transport import Requestor, Transport
from daemon.dicom.tls import TLS_REFUSED, words_of
from daemon.errors import Unavailable

MAX_PDU_BYTES = 131072
"""What we announce."""
SMALLEST_PDU_BYTES = 4096
"""A peer that takes smaller ones would get each object in thousands of pieces."""
LARGEST_ANSWER_BYTES = 4 * 1024 * 1024
"""A message of a peer is no longer than that, where it does not bring images."""
RELEASE_WITHIN_S = 5.0
_LAST_WORDS_S = 0.2
_END_WITHIN_S = 1.0
_POLL_S = 0.005
_PERMANENT = 1
"""Result of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
_SAID_NO = (1, 3, 4)
"""User rejection, abstract syntax, transfer syntaxes not supported (PS3.8 table 9-18)."""


class NoAssociation(Unavailable):
    """There is none; the words say why. `is_final`: the peer will not have one as it is asked."""

    is_final = False


class Unreachable(NoAssociation):
    """No connection, or no TLS on it."""


class AssociationRejected(NoAssociation):
    """The peer says no, for good or for now (A-ASSOCIATE-RJ)."""

    def __init__(self, words: str, *, is_final: bool) -> None:
        super().__init__(words)
        self.is_final = is_final


class NothingAccepted(NoAssociation):
    """The peer takes none of the presentation contexts."""

    is_final = True


class AssociationAborted(NoAssociation):
    """The peer ended it, broke the protocol, or was silent."""


class CalledPeer(Protocol):
    """Whom to call."""

    @property
    def ae_title(self) -> str:
        """Its AE title."""

    @property
    def host(self) -> str:
        """Its address."""

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def tls(self) -> bool:
        """Whether it is spoken to under TLS."""

    @property
    def tls_name(self) -> str:
        """The name in its certificate; empty: its host."""


@dataclass(frozen=True, eq=False)
class Call:
    """An association that is open, and whether its answers can be believed."""

    association: Association
    answers: Answers

    def accepts(self, sop_class: str, syntax: str) -> bool:
        """Tell whether a class is taken in a transfer syntax."""
        return any(
            context.abstract_syntax == sop_class and context.transfer_syntax[:1] == [syntax]
            for context in self.association.accepted_contexts
        )


@dataclass(eq=False)
class Caller:
    """Opens associations in our name.

    Attributes
    ----------
    ae_title : str
        Ours.
    timeout_s : float
        Longest wait at each step: connecting, a TLS handshake, an answer, each PDU in or out.
    tls : SSLContext or None
        For peers that are spoken to under TLS.
    stopping : Event
        Set when the daemon stops: nothing new is to be begun.
    """

    ae_title: str
    timeout_s: float
    tls: ssl.SSLContext | None = None
    stopping: Flag = field(default_factory=Flag)
    _open: set[Line] = field(default_factory=set, init=False)
    _is_closed: bool = field(default=False, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    @contextmanager
    def association(
        self,
        peer: CalledPeer,
        contexts: Sequence[PresentationContext],
        roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
        handlers: Sequence[tuple[Any, Any]] = (),
        largest_message_bytes: int = LARGEST_ANSWER_BYTES,
    ) -> Iterator[Call]:
        """Give an association; it is released, or cut where that does not work, at the end.

        Parameters
        ----------
        peer : CalledPeer
        contexts : sequence of PresentationContext
        roles : sequence
            Role selection (PS3.7 D.3.3.4).
        handlers : sequence of (event, callable)
            As `pynetdicom.evt` describes them.
        largest_message_bytes : int
            Longest message that the peer may send.

        Raises
        ------
        NoAssociation
            The subclass and `is_final` say what to do about it.
        """
        line = Line(self.timeout_s)
        answers = Answers()
        ae = Requestor(self.ae_title, self.timeout_s, line, answers, largest_message_bytes)
        with self._lock:
            if self._is_closed:
                raise NoAssociation("this node is stopping")
            self._open.add(line)
        try:
            self._connect(line, peer)
            association = ae.associate(
                *line.address,
                contexts=list(contexts),
                ae_title=peer.ae_title,
                max_pdu=MAX_PDU_BYTES,
                ext_neg=list(roles),
                evt_handlers=[(evt.EVT_ABORTED, _cut_when_said), *handlers],
            )
            _check(association)
            try:
                yield Call(association, answers)
            finally:
                if not answers.is_awaited:
                    _release(association)
        finally:
            _end(ae.association, line)
            with self._lock:
                self._open.discard(line)

    def hang_up(self) -> None:
        """Cut every association, and open no more: whoever waits for a peer waits no longer."""
        with self._lock:
            self._is_closed = True
            lines = list(self._open)
        for line in lines:
            line.cut()

    def _connect(self, line: Line, peer: CalledPeer) -> None:
        try:
            line.open(peer.host, peer.port)
        except socket.gaierror as error:
            raise Unreachable("peer cannot be reached: its host name is not known") from error
        except OSError as error:
            raise Unreachable(
                f"no association: is the peer up, and its address? ({type(error).__name__})"
            ) from error
        if not peer.tls:
            return
        if self.tls is None:
            raise Unreachable("TLS: the settings name no authority")
        try:
            line.secure(self.tls, peer.tls_name or peer.host)
        except (OSError, ValueError) as error:  # ValueError: a name that no certificate can have
            raise Unreachable(words_of(error)) from error


def _check(association: Association) -> None:
    """Raise NoAssociation unless there is an association that something can be sent over."""
    reply = association.acceptor.primitive
    if association.is_rejected and reply is not None:
        raise AssociationRejected(
            f"association rejected: {reply.reason_str}", is_final=reply.result == _PERMANENT
        )
    if not association.is_established:
        answered = getattr(reply, "presentation_context_definition_results_list", None) or []
        if answered and all(one.result in _SAID_NO for one in answered):
            raise NothingAccepted("peer takes none of these SOP classes")
        raise AssociationAborted(_words(association))
    longest = association.acceptor.maximum_length
    if longest and longest < SMALLEST_PDU_BYTES:
        association.abort()
        raise AssociationAborted(f"peer takes PDUs of {longest} bytes only")


def _words(association: Association) -> str:
    transport = association.dul.socket
    if association.acceptor.primitive is not None:
        return "peer answers none of our presentation contexts"
    if isinstance(transport, Transport) and transport.line.is_secured:
        failure = transport.failure  # with TLS 1.3 the peer judges us after our handshake
        if isinstance(failure, ssl.SSLError | ConnectionError):
            return TLS_REFUSED
    return "no association: the peer does not answer, or not as DICOM asks"


def _cut_when_said(event: Event) -> None:
    """When we abort: let the A-ABORT leave, then wait for nothing that the peer may do."""
    association, pause = event.assoc, Flag()
    end = monotonic() + _LAST_WORDS_S
    while association.dul.state_machine.current_state not in ("Sta1", "Sta13"):
        if pause.wait(_POLL_S) or monotonic() > end:
            break
    if isinstance(association.dul.socket, Transport):
        association.dul.socket.cut()


def _release(association: Association) -> None:
    if association.is_established:
        association.acse_timeout = min(
            association.acse_timeout or RELEASE_WITHIN_S, RELEASE_WITHIN_S
        )
        association.release()


def _end(association: Association | None, line: Line) -> None:
    """Leave nothing behind: no reactor that is paused, no thread, no descriptor."""
    line.cut()
    if association is not None:
        if association.is_alive():
            association.abort()
        for thread in (association, association.dul):
            if thread.is_alive():
                thread.join(_END_WITHIN_S)
    line.close()
