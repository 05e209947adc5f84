"""Run a batch: query an archive, note what is wanted, fetch it one study after the other."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.clock import Chronometer
from daemon.crashpoints import crash_point
from daemon.errors import Unavailable
from daemon.ledger.pulls import Pulls, Wanted
from daemon.logs import study_key
from daemon.pull.criteria import Archive, Criteria

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
RETRY_S = 60.0


@dataclass(frozen=True, eq=False)
class Fetcher:
    """Fetches from one archive; what it has noted is fetched even after a crash."""

    source: str
    archive: Archive
    pulls: Pulls
    clock: Chronometer

    def query(self, criteria: Criteria) -> int:
        """Note the studies that are wanted and not known yet; returns how many.

        Raises
        ------
        Unavailable
            The archive does not answer.
        """
        found = self.pulls.found(self.source, list(self.archive.find(criteria)), self.clock())
        logger.info("archive asked: %d new studies", found, extra={"peer": self.source})
        return found

    def turn(self, now: datetime) -> bool:
        """Fetch the next study; False when none is due at a steady time."""
        due = self.pulls.due(self.source, now)
        if not due:
            return False
        [wanted] = due
        try:
            self.archive.retrieve(wanted.study_uid)
        except Unavailable as error:
            self._again(wanted, error)
            return True
        crash_point("pull:before-settle")
        self.pulls.retrieved(wanted, self.clock())
        return True

    def batch(
        self, interval_s: float, wait: Callable[[float], bool], progress: Callable[[], None]
    ) -> None:
        """Fetch everything that is noted, at most one study each interval.

        Parameters
        ----------
        interval_s : float
            Seconds between the beginnings of two retrievals.
        wait : callable
            Waits so many seconds; True ends the batch, to be resumed another time.
        progress : callable
            Called after each study.
        """
        while self.pulls.counts(self.source).get("found"):
            began = self.clock.seconds()
            if self.turn(self.clock.steady()):
                progress()
            rest = interval_s - (self.clock.seconds() - began)
            if wait(max(0.0, rest)):
                return

    def _again(self, wanted: Wanted, error: Unavailable) -> None:
        now = self.clock()
        where = {"study": study_key(wanted.study_uid), "peer": self.source}
        if wanted.attempts + 1 >= MAX_ATTEMPTS:
            logger.error("study not fetched: %s", error, extra=where)
            self.pulls.failed(wanted, str(error), now)
            return
        logger.warning("study fetched later: %s", error, extra=where)
        wait = timedelta(seconds=RETRY_S * 2.0**wanted.attempts)
        self.pulls.postponed(wanted, str(error), self.clock.steady() + wait)
