"""Give the jobs of silent workers back to the queue.

Silent is a worker whose lease on a job has not changed for longer than a living one leaves it
alone. That is seen here, by a stopwatch: what time the worker's host thinks it is plays no part.
"""

import logging
from dataclasses import dataclass, field

from daemon.clock import Stillness, Stopwatch
from daemon.ledger.jobs.leases import Lease, Leases

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 15.0
_MOST_BETWEEN_LOOKS_S = 2 * CHECK_INTERVAL_S


@dataclass(eq=False)
class LeaseWatch:
    """Watches the leases of one ledger.

    Attributes
    ----------
    leases : Leases
    silence_s : float
        The longest that a living worker leaves a lease as it is, seconds.
    stopwatch : callable
    """

    leases: Leases
    silence_s: float
    stopwatch: Stopwatch
    _stillness: Stillness[Lease] = field(init=False)

    def __post_init__(self) -> None:
        self._stillness = Stillness(self.stopwatch, _MOST_BETWEEN_LOOKS_S)

    def turn(self) -> int:
        """Look at every lease; returns how many jobs are queued again.

        Raises
        ------
        Unavailable
            The ledger does not answer.
        """
        seen = self._stillness.look(self.leases.running())
        silent = [lease for lease, seen_s in seen.items() if seen_s > self.silence_s]
        expired = self.leases.expire(silent) if silent else 0
        if expired:
            logger.warning("leases expired: %d jobs are queued again", expired)
        return expired
