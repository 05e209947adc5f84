"""How the daemon ends: all its threads share one deadline, and none can keep it from leaving."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Thread, Timer

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 8.0
"""systemd and operators expect an end within ten seconds of SIGTERM."""
GRACE_S = 3.0
"""What is in hand may end by itself for so long, then it is cut."""
CLOSE_WITHIN_S = 1.0


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
