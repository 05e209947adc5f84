"""How a loop of the daemon outlives what goes wrong in one of its turns.

The loops of reading, delivery and clock work must go on: what a turn leaves undone is still in the
ledger and comes again. Nothing narrower than every exception will do for that; no loop has a
catch-all of its own.
"""

import logging
from collections.abc import Callable
from threading import Event, Lock
from typing import TypeVar

from daemon.errors import Unavailable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Said:
    """Says what a loop waits for once, says when it is something else, and when it is over.

    A loop has one for all its turns, whatever thread takes them.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = Lock()
        self._cause = ""

    def waits(self, cause: str) -> None:
        """Note that a turn could not be taken."""
        with self._lock:
            is_new, self._cause = cause != self._cause, cause
        if is_new:
            logger.warning("%s waits: %s", self._what, cause)

    def worked(self) -> None:
        """Note that a turn was taken."""
        if not self._cause:
            return
        with self._lock:
            cause, self._cause = self._cause, ""
        if cause:
            logger.warning("%s goes on, after it waited for: %s", self._what, cause)


def guarded(
    what: str,
    turn: Callable[[], Result],
    after_failure: Callable[[], object] | None = None,
    said: Said | None = None,
) -> Result | None:
    """Take a turn; if it fails say so in the log, call `after_failure`, and return None.

    `said` remembers what was said of the turns before.
    """
    said = said or Said(what)
    try:
        done = turn()
    except Unavailable as error:
        said.waits(str(error))
    except Exception:  # a defect of ours costs this turn, not the loop
        logger.exception("%s failed", what)
    else:
        said.worked()
        return done
    if after_failure is not None:
        after_failure()
    return None


def repeat(what: str, turn: Callable[[], object], every_s: float, stop: Event) -> None:
    """Take a turn every so many seconds until `stop`, whatever the wall clock does meanwhile."""
    said = Said(what)
    while not stop.wait(every_s):
        guarded(what, turn, said=said)
