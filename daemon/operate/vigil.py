"""Look now and then whether the world around the daemon is still the one it began in."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from daemon.clock import Chronometer
from daemon.ending import Ending
from daemon.ledger.sameness import Sameness

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0
_LEAST_STEP_S = 2.0
"""Clocks are slewed all the time; what is set is more."""


@dataclass(eq=False)
class Vigil:
    """Watches ledger and clock.

    Attributes
    ----------
    sameness : Sameness
    clock : Chronometer
    ending : Ending
        Told when the ledger is gone.
    after_step : callable
        Called when the wall clock was set.
    """

    sameness: Sameness
    clock: Chronometer
    ending: Ending
    after_step: Callable[[], object]
    _ahead_s: float = field(default=0.0, init=False)
    """How far the wall clock was ahead of an even one, when it was last looked at."""

    def turn(self) -> None:
        """Look at both.

        Raises
        ------
        Unavailable
            The ledger does not answer.
        """
        self._look_at_clock()
        if loss := self.sameness.loss():
            self.ending.fatal(loss)

    def _look_at_clock(self) -> None:
        ahead_s = (self.clock() - self.clock.steady()).total_seconds()
        step_s = ahead_s - self._ahead_s
        if abs(step_s) < _LEAST_STEP_S:
            return
        self._ahead_s = ahead_s
        logger.warning(
            "the clock of this machine was set %s by %.0f s: what waits is not touched by that, "
            "stamps follow the clock",
            "forward" if step_s > 0 else "back",
            abs(step_s),
        )
        self.after_step()
