"""Give the jobs of silent workers back to the queue.

Silent is a worker whose lease on a job has not changed for longer than a living one leaves it
alone. That is seen here, by a stopwatch: what time the worker's host thinks it is plays no part.
"""

import logging
from dataclasses import dataclass, field

from daemon.clock import Stopwatch
from daemon.ledger.leases import Lease, Leases

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 15.0
_MOST_BETWEEN_LOOKS_S = 2 * CHECK_INTERVAL_S
"""Whoever did not look for longer was stopped, or had no ledger, as the workers may have had."""


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
    _seen: dict[Lease, float] = field(default_factory=dict, init=False)
    _looked: float | None = field(default=None, init=False)

    def turn(self) -> int:
        """Look at every lease; returns how many jobs are queued again.

        Raises
        ------
        Unavailable
            The ledger does not answer.
        """
        leases = self.leases.running()
        now = self.stopwatch()
        since = 0.0 if self._looked is None else min(now - self._looked, _MOST_BETWEEN_LOOKS_S)
        self._looked = now
        self._seen = {
            lease: self._seen[lease] + since if lease in self._seen else 0.0 for lease in leases
        }
        silent = [lease for lease, seen_s in self._seen.items() if seen_s > self.silence_s]
        expired = self.leases.expire(silent) if silent else 0
        if expired:
            logger.warning("leases expired: %d jobs are queued again", expired)
        return expired
