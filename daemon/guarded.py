"""How a loop of the daemon outlives what goes wrong in one of its turns.

The loops of reading, delivery and clock work must go on: what a turn leaves undone is still in the
ledger and comes again. Nothing narrower than every exception will do for that; no loop has a
catch-all of its own.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock
from typing import TypeVar

from daemon.clock import Chronometer
from daemon.errors import Unavailable
from daemon.wake import Bell

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_SHORTEST_REST_S = 0.01


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


@dataclass(frozen=True, eq=False)
class Loop:
    """Takes turns until it is stopped, and rests between them until its bell rings.

    Attributes
    ----------
    name : str
        What the log calls it.
    turn : callable
        Returns how many seconds after its beginning there is something to do again, 0 for at once;
        None where only a ring or time will tell.
    rest_s : float
        Its longest rest.
    bell : Bell
    """

    name: str
    turn: Callable[[], float | None]
    rest_s: float
    bell: Bell = field(default_factory=Bell)

    def run(self, stop: Event) -> None:
        """Take turns until `stop` is set; whoever sets it rings the bell."""
        said = Said(self.name)
        while not stop.is_set():
            began = time.monotonic()
            wanted_s = guarded(self.name, self.turn, said=said)
            if wanted_s is None:
                self.bell.wait(self.rest_s)
            elif wanted_s > 0.0:
                left_s = wanted_s - (time.monotonic() - began)
                self.bell.wait(min(max(left_s, _SHORTEST_REST_S), self.rest_s))


def ringing(loops: Iterable[Loop]) -> Callable[[], None]:
    """Return what rings the bells of all these loops."""
    bells = [loop.bell for loop in loops]

    def ring() -> None:
        for bell in bells:
            bell.ring()

    return ring


def at_once_again(
    turn: Callable[[datetime], int],
    clock: Chronometer,
    then: Callable[[], object] | None = None,
) -> Callable[[], float | None]:
    """Make a turn of a `Loop` from one that counts what it did: as long as it does, it goes on.

    Parameters
    ----------
    turn : callable
        Takes a steady time and returns how much was done.
    clock : Chronometer
    then : callable, optional
        Called after each turn that did something.
    """

    def taken() -> float | None:
        if not turn(clock.steady()):
            return None
        if then is not None:
            then()
        return 0.0

    return taken
