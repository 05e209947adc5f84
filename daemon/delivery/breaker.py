"""The circuit breaker of one destination: one that does not answer is left alone for a while."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from daemon.delivery.backoff import delay_s
from daemon.settings import DeliverySettings


@dataclass(eq=False)
class Breaker:
    """Counts associations that failed one after the other.

    After `breaker_failures` of them it is open: nothing is tried. When its time is over one object
    is tried; an answer closes it, silence opens it for longer. Every `now` is a steady time.
    """

    settings: DeliverySettings
    _failures: int = field(default=0, init=False)
    _open_until: datetime | None = field(default=None, init=False)

    def is_open(self, now: datetime) -> bool:
        """Whether nothing may be tried."""
        return self._open_until is not None and now < self._open_until

    @property
    def is_on_trial(self) -> bool:
        """Whether the next attempt decides: it is to be a small one."""
        return self._open_until is not None

    def failed(self, now: datetime) -> bool:
        """Note an attempt without any answer; returns whether this opened the breaker."""
        self._failures += 1
        excess = self._failures - self.settings.breaker_failures + 1
        if excess < 1:
            return False
        newly = self._open_until is None
        self._open_until = now + timedelta(seconds=delay_s(excess, 0, self.settings))
        return newly

    def worked(self) -> bool:
        """Note an answer; returns whether this closed the breaker."""
        was_open = self._open_until is not None
        self._failures, self._open_until = 0, None
        return was_open
