"""How long to wait after a failed attempt: longer each time, and never all at once."""

import hashlib
from dataclasses import dataclass, field

from daemon.clock import Stopwatch
from daemon.settings import DeliverySettings

_MAX_DOUBLINGS = 64
_JITTER = 0.5
"""The delay is shortened by up to this share, so that what failed together is spread."""


def delay_s(failures: int, delivery_id: int, settings: DeliverySettings) -> float:
    """Return the wait before the next attempt, in seconds.

    Parameters
    ----------
    failures : int
        Failed attempts so far, at least 1.
    delivery_id : int
        Decides the jitter: the same delivery and attempt always wait equally long.
    settings : DeliverySettings
        `first_delay_s` doubles with each failure up to `max_delay_s`.
    """
    doublings = min(failures - 1, _MAX_DOUBLINGS)
    longest = min(settings.first_delay_s * 2.0**doublings, settings.max_delay_s)
    digest = hashlib.sha256(f"{delivery_id}\x1f{failures}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return longest * (1.0 - _JITTER * share)


@dataclass(eq=False)
class Trials:
    """For how long this process has tried what failed.

    Patience is not measured by when something came into being: a clock that is set forward by a
    year, or a daemon that was off for long, must not give up at once all that waits.
    """

    stopwatch: Stopwatch
    _since: dict[int, float] = field(default_factory=dict, init=False)

    def failed(self, number: int) -> float:
        """Note a failed attempt; returns the seconds since the first one."""
        now = self.stopwatch()
        return now - self._since.setdefault(number, now)

    def ended(self, *numbers: int) -> None:
        """Forget what is tried no more."""
        for number in numbers:
            self._since.pop(number, None)
