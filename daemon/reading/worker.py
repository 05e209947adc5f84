"""Claim a job, read it, hand the reading to the reporter, settle it: one turn at a time."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

from pydicom import Dataset

from daemon.clock import Clock
from daemon.crashpoints import crash_point
from daemon.errors import Rejected, Unavailable
from daemon.ledger.queue import Queue
from daemon.logs import study_key
from daemon.reading.read import Reader
from daemon.records import Job, Reason, ResultFile, StudyReading
from daemon.settings import Reading

logger = logging.getLogger(__name__)

HELD = "alert_identity_conflict"
QUARANTINED = "alert_study_quarantined"
UNREPORTED = "alert_no_report"
"""Counters in the ledger: what a person should look at, shown by `wristd status`."""

Reporter = Callable[[StudyReading, Sequence[Dataset]], list[ResultFile]]
"""Turns a reading and its sources' headers into result objects in the outbox."""


@dataclass(frozen=True, eq=False)
class Worker:
    """One reader, working through the queue.

    `turn` does at most one job and says whether there was one; `run` repeats it until `stop`.
    """

    name: str
    queue: Queue
    reader: Reader
    report: Reporter
    destinations: Sequence[str]
    settings: Reading
    clock: Clock

    def run(self, stop: Event, idle_s: float = 0.5) -> None:
        """Work until `stop` is set; the job in hand is finished first."""
        while not stop.is_set():
            try:
                busy = self.turn()
            except Unavailable as error:
                logger.warning("reading waits: %s", error)
                busy = False
            if not busy:
                stop.wait(idle_s)

    def turn(self) -> bool:
        """Do the next job, if there is one."""
        lease = timedelta(seconds=self.settings.lease_s)
        job = self.queue.claim(self.name, self.clock(), lease)
        if job is None:
            return False
        if job.attempt > self.settings.max_attempts:
            self._give_up(job, Reason.FAILED_REPEATEDLY)
            return True
        try:
            self._settle(job, self._read(job))
        except Rejected as error:
            self._refuse(job, error)
        except (Unavailable, OSError, MemoryError) as error:
            self._try_later(job, error)
        except Exception as error:
            logger.exception("reading failed", extra=_context(job))
            self._try_later(job, error)
        return True

    def _read(self, job: Job) -> StudyReading:
        crash_point("read:before")
        if job.reason is not None:
            return self.reader.unread(job, job.reason, self.clock())
        return self.reader.read(job, self.clock())

    def _settle(self, job: Job, reading: StudyReading) -> None:
        held = reading.reason is Reason.IDENTITY_CONFLICT
        results = [] if held else self.report(reading, self.reader.sources(job))
        crash_point("report:before-finish")
        if not self.queue.finish(job, reading, results, self.destinations, self.clock()):
            logger.warning("lease lost: another worker has the study", extra=_context(job))
            return
        crash_point("report:after-finish")
        if held:
            self.queue.ledger.count(HELD)
        words = f"{reading.category} ({reading.reason})" if reading.reason else reading.category
        level = logging.WARNING if held else logging.INFO
        logger.log(level, "read: %s, %d results", words, len(results), extra=_context(job))

    def _try_later(self, job: Job, error: Exception) -> None:
        now = self.clock()
        logger.warning("attempt failed: %s", type(error).__name__, extra=_context(job))
        if job.attempt >= self.settings.max_attempts:
            self._give_up(job, Reason.FAILED_REPEATEDLY)
            return
        not_before = now + timedelta(seconds=self.settings.retry_delay_s)
        self.queue.retry(job, f"{type(error).__name__}", now, not_before)

    def _refuse(self, job: Job, error: Rejected) -> None:
        """Settle a study whose results broke a rule: no attempt would make others."""
        logger.error("results refused: %s", error, extra=_context(job))
        self._give_up(job, Reason.INVALID_RESULT)

    def _give_up(self, job: Job, reason: Reason) -> None:
        """Settle a study that cannot be read or reported: it still gets its explicit outcome."""
        logger.error("study quarantined: %s", reason, extra=_context(job))
        self.queue.ledger.count(QUARANTINED)
        reading = self.reader.unread(job, reason, self.clock())
        try:
            results = self.report(reading, self.reader.sources(job))
        except Exception:
            logger.exception("no report for a quarantined study", extra=_context(job))
            self.queue.ledger.count(UNREPORTED)
            results = []
        self.queue.finish(job, reading, results, self.destinations, self.clock())


def _context(job: Job) -> dict[str, object]:
    return {"study": study_key(job.study_uid), "job": job.job_id, "attempt": job.attempt}
