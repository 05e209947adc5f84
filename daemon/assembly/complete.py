"""Decide when a study is complete. DICOM has no end-of-study message, so this is a rule.

The ledger keeps when instances came as the wall clock told it, and a wall clock may be set at any
moment. So a stopwatch decides: for each waiting study it runs from the sweep that first saw the
stamp as it is now. What passed between the arrival and that sweep is credited by the stamp, as far
as the sweeps allow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from daemon.records import WaitingStudy
from daemon.settings import Assembly

CREDIT_S = 1.0
"""What an arrival may have waited for its own transaction before a sweep could see it."""


@dataclass(frozen=True)
class _Since:
    """A stamp, and when by the stopwatch the time that it stands for began."""

    stamp: datetime
    began: float


@dataclass(eq=False)
class Patience:
    """How long each waiting study has waited, and how much longer it shall.

    Attributes
    ----------
    rule : Assembly
        The quiet period counts from the last instance of *any* series of the study; while an
        association is still sending it only the hard cap ends the wait.
    """

    rule: Assembly
    _last: dict[int, _Since] = field(default_factory=dict, init=False)
    _first: dict[int, _Since] = field(default_factory=dict, init=False)
    _looked: float = field(default=-math.inf, init=False)

    def look(self, studies: Sequence[WaitingStudy], now: datetime, at: float) -> None:
        """See what waits; studies that wait no more are forgotten.

        Parameters
        ----------
        studies : sequence of WaitingStudy
            All of them.
        now : datetime
            By the wall clock.
        at : float
            By the stopwatch, seconds; not earlier than the look before.
        """
        since_look = at - self._looked

        def began(seen: _Since | None, stamp: datetime) -> _Since:
            if seen is not None and seen.stamp == stamp:
                return seen
            return _Since(stamp, at - _credit_s(stamp, now, since_look))

        self._last = {
            one.study_id: began(self._last.get(one.study_id), one.last_arrival_at)
            for one in studies
        }
        self._first = {
            one.study_id: began(self._first.get(one.study_id), one.waiting_since) for one in studies
        }
        self._looked = at

    def left_s(self, study_id: int, *, is_being_sent: bool = False) -> float:
        """Return how long a study that was seen shall still wait, seconds; 0 or less: no more."""
        if is_being_sent:
            return self.left_until_cap_s(study_id)
        quiet_s = self._looked - self._last[study_id].began
        return min(self.rule.quiet_period_s - quiet_s, self.left_until_cap_s(study_id))

    def left_until_cap_s(self, study_id: int) -> float:
        """Return when a study that was seen is taken as it is, seconds from the last look."""
        return self.rule.hard_cap_s - (self._looked - self._first[study_id].began)


def _credit_s(stamp: datetime, now: datetime, since_look: float) -> float:
    """Return for how long a stamp that is new to this look has been true, seconds.

    It cannot have been true for longer than since the look before; at the first look of a process
    it can. A clock that was set in between says something else, and nothing is credited.
    """
    passed = (now - stamp).total_seconds()
    return passed if 0.0 <= passed <= since_look + CREDIT_S else 0.0
