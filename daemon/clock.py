"""The only place that asks the machine for the time; everywhere else time is an argument.

Two kinds of time. The wall clock is what people read: stamps in the ledger and in results, and the
hours of the nightly window. It may be set at any moment, by any amount. Whatever is *waited for* is
measured by a stopwatch that nobody can set: `Chronometer` has both.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

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
