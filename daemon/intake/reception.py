"""All that receives in one process: built together, stopped together."""

import logging
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

from daemon.clock import Clock
from daemon.dicom.tls import server_context
from daemon.intake.association.association import Association
from daemon.intake.association.connections import Connections
from daemon.intake.association.contexts import Supported
from daemon.intake.association.conversation import House
from daemon.intake.association.listener import Listener
from daemon.intake.association.negotiate import Negotiator
from daemon.intake.association.requests import VERIFICATION, AnswerTable
from daemon.intake.association.wire import Wire
from daemon.intake.sending import Sending
from daemon.intake.store.commit import Committer
from daemon.intake.store.counts import Counts
from daemon.intake.store.disk import Watermarks
from daemon.intake.store.incoming import Intake
from daemon.intake.store.quarantine import Quarantine
from daemon.intake.store.spool import Spool
from daemon.ledger.ledger import Ledger
from daemon.ledger.notes import Notes
from daemon.settings import Place, ReceiverSettings, Settings

logger = logging.getLogger(__name__)

FINISH_WITHIN_S = 3.0
"""How long `stop` waits for the requests in hand."""
END_WITHIN_S = 2.0
"""How long `stop` waits for the associations to end."""


class Reception:
    """Receives from a listening socket.

    Parameters
    ----------
    settings : Settings
    place : Place
        Its folders exist.
    ledger : Ledger
    clock : Clock
        Gives the time of each arrival.
    answers : mapping
        What is answered besides C-STORE and C-ECHO.
    processor : int, optional
        Where associations are served that are not alone.
    """

    def __init__(
        self,
        settings: Settings,
        place: Place,
        ledger: Ledger,
        clock: Clock,
        answers: AnswerTable | None = None,
        processor: int | None = None,
    ) -> None:
        limits = settings.receiver
        table = {**VERIFICATION, **(answers or {})}
        spool = Spool(place.spool)
        self._limits = limits
        self._processor = processor
        self._spool = spool
        self._tls = _tls(limits)
        self._counts = Counts(ledger)
        marks = limits.warn_free_bytes, limits.min_free_bytes
        self._committer = Committer(ledger, spool)
        self._connections = Connections(
            limits.max_half_open, limits.max_associations, limits.max_associations_per_peer
        )
        self.intake = Intake(
            max_object_bytes=limits.max_object_bytes,
            watermarks=Watermarks(spool.free_bytes, *marks, self._counts),
            spool=spool,
            quarantine=Quarantine(place.quarantine, settings.retention.refused_bytes),
            committer=self._committer,
            counts=self._counts,
            notes=Notes(ledger),
            clock=clock,
        )
        self._house = House(
            limits=limits,
            intake=self.intake,
            negotiator=Negotiator(
                settings.titles(),
                limits.callers,
                Supported(frozenset(sop_class for _field, sop_class in table)),
                limits.max_pdu_bytes,
            ),
            answers=table,
            connections=self._connections,
            request_in_hand=self._request_in_hand,
        )
        self._listener: Listener | None = None
        self._change = Condition()
        self._in_hand = 0
        self._stopping = False

    @property
    def sending(self) -> Sending:
        """Which studies are on their way."""
        return self._house.sending

    def start(self, listening: socket.socket) -> None:
        """Begin to receive."""
        self._listener = Listener(
            listening,
            self._connections,
            self._counts,
            self._serve,
            self._limits,
        )
        self._listener.start()

    def stop(self) -> None:
        """Accept no more, let the requests in hand finish, cut what is left of associations.

        An object whose answer a peer does not see any more is kept all the same; when the peer
        sends it again it is recognised.
        """
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()
        with self._change:
            self._stopping = True
            self._change.wait_for(lambda: self._in_hand == 0, timeout=FINISH_WITHIN_S)
        self._connections.cut_all()
        self._connections.wait_until_empty(END_WITHIN_S)
        self._committer.close()
        self._counts.close()
        self._spool.close()

    def _serve(self, wire: Wire, host: str) -> None:
        self._keep_together()  # before the handshake: a stalled one would wake others elsewhere
        if self._tls is not None:
            wire.secure(self._tls, self._limits.association_timeout_s)
        Association(self._house, wire, host).run()

    def _keep_together(self) -> None:
        """Let associations share a processor: the interpreter runs one of their threads at a time.

        Spread over processors they spend as much on waking each other there as on receiving. One
        that is alone is better off wherever its peer is.
        """
        if self._processor is None or len(self._connections) <= 1:
            return
        try:
            os.sched_setaffinity(0, {self._processor})  # of this thread only
        except OSError:
            logger.warning("processor %d is not ours any more", self._processor)
            self._processor = None

    @contextmanager
    def _request_in_hand(self) -> Iterator[bool]:
        """Count a request, so that `stop` can wait for its answer; False when that has begun."""
        with self._change:
            may_begin = not self._stopping
            self._in_hand += 1
        try:
            yield may_begin
        finally:
            with self._change:
                self._in_hand -= 1
                if self._stopping:
                    self._change.notify_all()


def _tls(limits: ReceiverSettings) -> ssl.SSLContext | None:
    if not limits.tls_certificate:
        return None
    return server_context(
        Path(limits.tls_certificate), Path(limits.tls_key), Path(limits.tls_authority)
    )
