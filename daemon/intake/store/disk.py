"""Two watermarks of free space: below the upper one we warn, below the lower one we refuse.

Nothing is deleted to make room for an arrival.
"""

import logging
from collections.abc import Callable
from threading import Lock

from daemon.intake.store.admit import Refusal, Refused
from daemon.intake.store.counts import Counts
from daemon.signals import Signal

logger = logging.getLogger(__name__)


class Watermarks:
    """Judges the free space before an object is written; safe to share between threads.

    Parameters
    ----------
    free_bytes : callable
        Gives the free space of the spool's disk, bytes; raises OSError.
    warn_below, refuse_below : int
        Bytes.
    counts : Counts
    """

    def __init__(
        self, free_bytes: Callable[[], int], warn_below: int, refuse_below: int, counts: Counts
    ) -> None:
        self._free_bytes = free_bytes
        self._warn_below = warn_below
        self._refuse_below = refuse_below
        self._counts = counts
        self._lock = Lock()
        self._has_warned = False

    def check(self) -> None:
        """Let an object pass, or refuse it; warn once each time the upper mark is crossed.

        Raises
        ------
        Refused
            Less is free than the lower mark.
        OSError
            The disk does not say.
        """
        free = self._free_bytes()
        if free < self._refuse_below:
            raise Refused(Refusal.LOW_DISK, "not enough free disk space")
        is_low = free < self._warn_below
        with self._lock:
            crossed = is_low and not self._has_warned
            self._has_warned = is_low
        if crossed:
            self._counts.add(Signal.LOW_DISK_WARNINGS)
            logger.warning("disk: %d MiB free; make room before arrivals are refused", free >> 20)
