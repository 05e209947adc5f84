"""How a loop of the daemon outlives what goes wrong in one of its turns.

The loops of reading, delivery and clock work must go on: what a turn leaves undone is still in the
ledger and comes again. Nothing narrower than every exception will do for that; no loop has a
catch-all of its own.
"""

import logging
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from daemon.errors import Unavailable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def guarded(
    what: str, turn: Callable[[], Result], after_failure: Callable[[], object] | None = None
) -> Result | None:
    """Take a turn; if it fails say so in the log, call `after_failure`, and return None."""
    try:
        return turn()
    except Unavailable as error:
        logger.warning("%s waits: %s", what, error)
    except Exception:  # a defect of ours costs this turn, not the loop
        logger.exception("%s failed", what)
    if after_failure is not None:
        after_failure()
    return None


def repeat(what: str, turn: Callable[[], object], every_s: float, stop: Event) -> None:
    """Take a turn every so many seconds until `stop`, whatever the wall clock does meanwhile."""
    while not stop.wait(every_s):
        guarded(what, turn)
