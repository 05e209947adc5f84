"""The only place that asks the machine for the time; everywhere else time is an argument.

Two kinds of time. The wall clock is what people read: stamps in the ledger and in results, and the
hours of the nightly window. It may be set at any moment, by any amount. Whatever is *waited for* is
measured by a stopwatch that nobody can set: `Chronometer` has both.
"""

import time
from collections.abc import Callable, Collection, Hashable
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

Thing = TypeVar("Thing", bound=Hashable)

Stopwatch = Callable[[], float]
"""Seconds since some moment; never goes back."""


class Clock(Protocol):
    """Something that tells the time of the wall; tests pass one that stands still."""

    def __call__(self) -> datetime:
        """Return the present, aware."""
        ...


def utc_now() -> datetime:
    """Return the present in UTC."""
    return datetime.now(UTC)


class Chronometer:
    """A wall clock and a stopwatch.

    Parameters
    ----------
    wall : callable
        Tells the time for stamps; may jump.
    stopwatch : callable
        Counts seconds evenly.
    """

    def __init__(self, wall: Clock = utc_now, stopwatch: Stopwatch = time.monotonic) -> None:
        self._wall = wall
        self._stopwatch = stopwatch
        self._began = wall() - timedelta(seconds=stopwatch())

    def __call__(self) -> datetime:
        """Return the time of the wall clock: for stamps, never to wait by."""
        return self._wall()

    def steady(self) -> datetime:
        """Return a time that runs evenly: the wall clock's at the start, plus what has passed.

        For moments to wait until that must be kept in the ledger.
        """
        return self._began + timedelta(seconds=self._stopwatch())

    def seconds(self) -> float:
        """Return the reading of the stopwatch."""
        return self._stopwatch()


class Stillness(Generic[Thing]):
    """For how long each of some things was seen as it is, whatever wall clocks show.

    Only time that was watched counts: whoever did not look for longer was stopped himself, or could
    not see, and blames nobody for that time.

    Parameters
    ----------
    stopwatch : callable
    most_between_looks_s : float
        A longer time between two looks counts as this one, seconds.
    """

    def __init__(self, stopwatch: Stopwatch, most_between_looks_s: float) -> None:
        self._stopwatch = stopwatch
        self._most_s = most_between_looks_s
        self._seen: dict[Thing, float] = {}
        self._looked: float | None = None

    def look(self, things: Collection[Thing]) -> dict[Thing, float]:
        """Look at all that is there now; returns for how long each was seen, seconds."""
        now = self._stopwatch()
        since = 0.0 if self._looked is None else min(now - self._looked, self._most_s)
        self._looked = now
        self._seen = {one: self._seen[one] + since if one in self._seen else 0.0 for one in things}
        return dict(self._seen)
