"""How the daemon's process ends: why, within which time, and that nothing can keep it.

It is asked to by a signal, or it ends for a reason that only a new start mends. All its threads
share one deadline.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread, Timer
from typing import NoReturn

logger = logging.getLogger(__name__)

EXIT_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: start it again; systemd does (Restart=on-failure)."""
EXIT_DEAF = 70
"""EX_SOFTWARE of sysexits.h."""
STOP_WITHIN_S = 8.0
"""systemd and operators expect an end within ten seconds of SIGTERM."""
GRACE_S = 3.0
"""What is in hand may end by itself for so long, then it is cut."""
CLOSE_WITHIN_S = 1.0


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


def end_process() -> NoReturn:
    """End this process at once, as a power cut would: systemd, or the daemon, starts another.

    Whatever was acknowledged is on the disk, and a node that looks alive but hears nobody is worse
    than one that is gone for a moment.
    """
    logging.shutdown()
    os._exit(EXIT_DEAF)


def started(name: str, work: Callable[[], object]) -> Thread:
    """Start a thread that does not keep the process alive."""
    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def end(threads: Sequence[Thread], cut: Callable[[], object], close: Callable[[], object]) -> None:
    """Wait for threads that have been told to stop.

    Whatever still hangs at the end, behind a peer, a decoder or a locked database, is left to its
    thread: what it had in hand is in the ledger, and taken up again.

    Parameters
    ----------
    threads : sequence of Thread
    cut : callable
        Called after `GRACE_S`: ends what waits for others.
    close : callable
        Called when all have ended, or `STOP_WITHIN_S` is over.
    """
    deadline = time.monotonic() + STOP_WITHIN_S
    cutting = Timer(GRACE_S, cut)
    cutting.daemon = True
    cutting.start()
    _join(threads, deadline)
    cutting.cancel()
    _join([started("closing", close)], time.monotonic() + CLOSE_WITHIN_S)


def _join(threads: Sequence[Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            logger.warning("%s did not finish in time: its work is taken up again", thread.name)
