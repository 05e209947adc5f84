"""Run a batch: query an archive, note what is wanted, fetch it one study after the other."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from daemon.calling.scu import NoAssociation
from daemon.clock import Chronometer
from daemon.crashpoints import crash_point
from daemon.errors import Unavailable
from daemon.ledger.pulls import Pulls, Wanted
from daemon.logs import study_key
from daemon.pull.criteria import Archive, Criteria, Part, Series

logger = logging.getLogger(__name__)

FETCHED = "(fetched)"
"""Stands for the sender of what we fetched ourselves."""
MAX_ATTEMPTS = 5
RETRY_S = 60.0
LEASE = timedelta(minutes=5)
"""How long a study is fetched by one alone: after a crash somebody takes it up again then."""
_LOOK_AGAIN_S = 1.0
"""When nothing is due."""


@dataclass(frozen=True, eq=False)
class Fetcher:
    """Fetches from one archive; what it has noted is fetched even after a crash.

    What is here already, from another archive or from the modality, does not go over the wire
    again, and what another one fetches at the moment is left to that one.
    """

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
        where = {"peer": self.source}
        wanted = list(self.archive.find(criteria))
        if "" in wanted:
            logger.warning("the archive names no study in an answer", extra=where)
        found = self.pulls.found(self.source, [one for one in wanted if one], self.clock())
        logger.info("archive asked: %d new studies", found, extra=where)
        return found

    def turn(self, criteria: Criteria) -> bool:
        """Fetch the next study; False when none is due."""
        wanted = self.pulls.claim(self.source, self.clock.steady(), LEASE)
        if wanted is None:
            return False
        try:
            self._fetch(wanted, criteria)
        except Unavailable as error:
            self._again(wanted, error)
        except Exception:  # a defect of ours costs this study an attempt, and no other
            logger.exception("fetching failed", extra=self._about(wanted))
            self._again(wanted, Unavailable("this node failed to fetch it"))
        return True

    def batch(
        self,
        criteria: Criteria,
        interval_s: float,
        wait: Callable[[float], bool],
        progress: Callable[[], None],
    ) -> None:
        """Fetch everything that is noted, at most one study each interval.

        Parameters
        ----------
        criteria : Criteria
            Which series of the studies are wanted.
        interval_s : float
            Seconds between the beginnings of two retrievals.
        wait : callable
            Waits so many seconds; True ends the batch, to be resumed another time.
        progress : callable
            Called after each study.
        """
        while self.pulls.left(self.source):
            began = self.clock.seconds()
            if self.turn(criteria):
                progress()
                rest = interval_s - (self.clock.seconds() - began)
            else:
                rest = max(interval_s, _LOOK_AGAIN_S)
            if wait(max(0.0, rest)):
                return

    def _fetch(self, wanted: Wanted, criteria: Criteria) -> None:
        where = self._about(wanted)
        series = self.archive.series(wanted.study_uid, criteria)
        if not series:
            raise Unavailable("the archive names no series of the study")
        missing = self._missing(wanted, series)
        if not missing:
            logger.info("study not fetched: what is wanted of it is here already", extra=where)
            self.pulls.known(wanted, self.clock())
            return
        try:
            self.archive.retrieve(wanted.study_uid, missing)
        except Unavailable as error:
            if self._missing(wanted, series):
                raise
            logger.info("images fetched, not all objects beside them: %s", error, extra=where)
        held = self.pulls.held(wanted.study_uid)
        if any(one.images.difference(held) for one in series):
            raise Unavailable("the archive says that it sent everything, and images are missing")
        crash_point("pull:before-settle")
        self.pulls.retrieved(wanted, self.clock())

    def _missing(self, wanted: Wanted, series: list[Series]) -> list[Part]:
        """Return what is not here."""
        held = self.pulls.held(wanted.study_uid)
        return [part for one in series for part in one.missing(held)]

    def _again(self, wanted: Wanted, error: Unavailable) -> None:
        now, where = self.clock(), self._about(wanted)
        if isinstance(error, NoAssociation) and not error.is_final:  # no fault of the study
            logger.warning("study fetched later: %s", error, extra=where)
            again = self.clock.steady() + timedelta(seconds=RETRY_S)
            self.pulls.put_off(wanted, str(error), again)
            return
        if wanted.attempts + 1 >= MAX_ATTEMPTS:
            logger.error("study not fetched: %s", error, extra=where)
            self.pulls.failed(wanted, str(error), now)
            return
        logger.warning("study fetched later: %s", error, extra=where)
        wait = timedelta(seconds=RETRY_S * 2.0**wanted.attempts)
        self.pulls.postponed(wanted, str(error), self.clock.steady() + wait)

    def _about(self, wanted: Wanted) -> dict[str, object]:
        return {"study": study_key(wanted.study_uid), "peer": self.source}
