"""How the daemon's process ends: asked to by a signal, or for a reason that only a start mends."""

import logging
from threading import Event

logger = logging.getLogger(__name__)

EXIT_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: start it again; systemd does (Restart=on-failure)."""


class Ending:
    """Set once; the main thread waits for it. Any room may hold one and call `fatal`."""

    def __init__(self) -> None:
        self._event = Event()
        self.exit_code = 0

    @property
    def has_come(self) -> bool:
        """Whether the process is to end."""
        return self._event.is_set()

    def ask(self) -> None:
        """End as a person or systemd asks."""
        self._event.set()

    def fatal(self, words: str) -> None:
        """End, to be started again, because the process cannot do its work any more.

        Parameters
        ----------
        words : str
            What happened, for an administrator; no patient data.
        """
        if not self._event.is_set():
            logger.error("%s: the daemon ends, and a new start mends it", words)
            self.exit_code = EXIT_AGAIN
        self._event.set()

    def wait(self) -> None:
        """Wait for it."""
        self._event.wait()
