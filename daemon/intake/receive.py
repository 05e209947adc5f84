"""The daemon's listening end: puts the spool in order, listens, and receives (PS3.4 B).

In this process, or in several that share the listening socket, as the settings say.
"""

import logging
import socket

from daemon.clock import Clock
from daemon.intake.association.listener import listen
from daemon.intake.association.requests import AnswerTable
from daemon.intake.processes import ReceiverProcesses
from daemon.intake.reception import Reception
from daemon.intake.store.incoming import Intake
from daemon.ledger.ledger import Ledger
from daemon.settings import Place, Settings

logger = logging.getLogger(__name__)


class Receiver:
    """The storage SCP.

    Parameters
    ----------
    settings : Settings
    place : Place
        Its folders exist.
    ledger : Ledger
    clock : Clock
        Gives the time of each arrival.
    answers : mapping
        What is answered besides C-STORE and C-ECHO; see `daemon.intake.association.requests`.

    Raises
    ------
    Misconfigured
        The TLS files cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        place: Place,
        ledger: Ledger,
        clock: Clock,
        answers: AnswerTable | None = None,
    ) -> None:
        self._limits = settings.receiver
        self._ledger = ledger
        self._reception = Reception(settings, place, ledger, clock, answers)
        self._processes = ReceiverProcesses(settings, place)
        self._listening: socket.socket | None = None

    @property
    def port(self) -> int:
        """The TCP port that is listened on."""
        if self._listening is None:
            raise RuntimeError("the receiver does not listen")
        return int(self._listening.getsockname()[1])

    @property
    def intake(self) -> Intake:
        """The way in, for objects that we fetch ourselves."""
        return self._reception.intake

    def being_sent(self) -> set[str]:
        """Return the studies that associations are sending to this daemon, all its processes."""
        return self._reception.sending.studies() | self._processes.being_sent()

    def start(self) -> None:
        """Put the spool in order, then listen.

        Raises
        ------
        Misconfigured
            The address cannot be listened on.
        """
        self._reception.intake.recover(self._ledger.files())
        listening = listen(self._limits.host, self._limits.port)
        self._listening = listening
        if not self._limits.callers:
            logger.warning("receiver.callers is empty: every AE title may send to this node")
        logger.info("listening on %s port %d", self._limits.host, self.port)
        if self._limits.processes:
            self._processes.start(listening)
        else:
            self._reception.start(listening)

    def stop(self) -> None:
        """Stop listening and receiving; what is in hand is finished first."""
        self._processes.stop()
        self._reception.stop()
        if self._listening is not None:
            self._listening.close()
            self._listening = None
