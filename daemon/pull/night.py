"""Fetch by night: inside the window of the settings, at their rate, from every archive in turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import partial
from typing import TypeVar

from daemon.clock import Chronometer
from daemon.guarded import Said, guarded
from daemon.pull.criteria import Criteria
from daemon.pull.fetcher import Fetcher
from daemon.settings.peers import Pull

Result = TypeVar("Result")


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
    _said: dict[str, Said] = field(default_factory=dict, init=False)

    def turn(self) -> None:
        """Do the next piece of work, if it is night; no archive keeps another from it.

        One that does not answer is asked again at the next ring.
        """
        now = self.clock()
        if not is_inside(self.settings.window, now):
            self._asked.clear()
            return
        criteria = criteria_for(self.settings, now)
        for fetcher in self.fetchers:
            if fetcher.source not in self._asked:
                self._guarded(fetcher, partial(self._ask, fetcher, criteria))
        for fetcher in self.fetchers:
            if self._guarded(fetcher, partial(fetcher.turn, criteria)):
                return

    def _ask(self, fetcher: Fetcher, criteria: Criteria) -> None:
        fetcher.query(criteria)
        self._asked.add(fetcher.source)

    def _guarded(self, fetcher: Fetcher, step: Callable[[], Result]) -> Result | None:
        what = f"fetching from {fetcher.source}"
        return guarded(what, step, said=self._said.setdefault(fetcher.source, Said(what)))
