"""Fetch by night: inside the window of the settings, at their rate, from every archive in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from daemon.clock import Chronometer
from daemon.peers import Pull
from daemon.pull.criteria import Criteria
from daemon.pull.fetch import Fetcher


def is_inside(window: str, now: datetime) -> bool:
    """Tell whether a time lies in a window such as "22:00-05:00"; an empty window has no inside."""
    if not window:
        return False
    start, end = (time.fromisoformat(part) for part in window.split("-"))
    moment = now.time()
    if start <= end:
        return start <= moment < end
    return moment >= start or moment < end


def criteria_for(settings: Pull, now: datetime) -> Criteria:
    """Return what the settings want, looking back from now."""
    today = now.date()
    return Criteria(
        today - timedelta(days=settings.days), today, settings.modalities, settings.body_parts
    )


@dataclass(eq=False)
class Night:
    """Rung by the clock; asks each archive once in a window, then fetches a study at a time."""

    settings: Pull
    fetchers: Sequence[Fetcher]
    clock: Chronometer
    _asked: set[str] = field(default_factory=set, init=False)

    @property
    def interval_s(self) -> float:
        """Seconds between two rings: the rate limit."""
        return 3600.0 / self.settings.studies_per_hour

    def turn(self) -> None:
        """Do the next piece of work, if it is night.

        Raises
        ------
        Unavailable
            An archive does not answer; it is asked again at the next ring.
        """
        now = self.clock()
        if not is_inside(self.settings.window, now):
            self._asked.clear()
            return
        criteria = criteria_for(self.settings, now)
        for fetcher in self.fetchers:
            if fetcher.source not in self._asked:
                fetcher.query(criteria)
                self._asked.add(fetcher.source)
        for fetcher in self.fetchers:
            if fetcher.turn(criteria):
                return
