"""What becomes of a job: claimed, opened, read, settled; and what an error means at each step.

`Worker.turn` does it all for one job; `daemon.reading.pipeline` does the steps of several at once.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from daemon.clock import Clock
from daemon.crashpoints import crash_point
from daemon.errors import Rejected, Unavailable
from daemon.ledger.queue import Queue
from daemon.logs import study_key
from daemon.reading.guard import Offline
from daemon.reading.read import OpenStudy, Reader
from daemon.records import Job, Reason, ResultFile, StudyReading, Withdrawal
from daemon.settings import Reading

logger = logging.getLogger(__name__)

HELD = "alert_identity_conflict"
QUARANTINED = "alert_study_quarantined"
UNREPORTED = "alert_no_report"
OFFLINE = "alert_model_offline"
"""Counters in the ledger: what a person should look at, shown by `wristd status`."""

Reporter = Callable[[StudyReading, Withdrawal | None], list[ResultFile]]
"""Turns a reading into result objects in the outbox, with a note for what must not stand."""


@dataclass(frozen=True, eq=False)
class Worker:
    """One reader with its queue; every job it claims ends settled, or queued again."""

    name: str
    queue: Queue
    reader: Reader
    report: Reporter
    destinations: Sequence[str]
    settings: Reading
    clock: Clock

    def turn(self) -> bool:
        """Do the next job, if there is one, and say so."""
        job = self.claim()
        if job is not None:
            self.do(job)
        return job is not None

    def do(self, job: Job) -> None:
        """Do a claimed job from beginning to end."""
        opened = self.open(job)
        readings = self.infer([opened]) if isinstance(opened, OpenStudy) else [(job, opened)]
        for one, reading in readings:
            if reading is not None:
                self.settle(one, reading)

    def release(self) -> int:
        """Queue what a predecessor of this name was doing when it ended."""
        return self.queue.release(self.name)

    def claim(self) -> Job | None:
        """Take the next job, if there is one."""
        return self.queue.claim(self.name, self.clock(), timedelta(seconds=self.settings.lease_s))

    def open(self, job: Job) -> OpenStudy | StudyReading | None:
        """Decode a job's images; a reading where there is nothing to infer, None after an error."""
        if job.attempt > self.settings.max_attempts:
            self._give_up(job, Reason.FAILED_REPEATEDLY)
            return None
        opened = None
        with self._settling_errors(job):
            crash_point("read:before")
            opened = self.reader.open(job, self.clock())
        return opened  # noqa: RET504 - None after an error

    def infer(self, studies: Sequence[OpenStudy]) -> list[tuple[Job, StudyReading | None]]:
        """Read opened studies together; None after an error.

        When they fail together each is tried alone: one must not take the others with it.
        """
        for study in studies:
            self._keep(study.job)
        if len(studies) > 1:
            try:
                readings = self.reader.infer(studies, self.clock())
            except Unavailable as error:
                logger.warning("%d studies failed together: %s", len(studies), error)
            else:
                return [(one.job, it) for one, it in zip(studies, readings, strict=True)]
        return [(study.job, self._infer(study)) for study in studies]

    def settle(self, job: Job, reading: StudyReading) -> None:
        """Report a reading and settle its job."""
        with self._settling_errors(job):
            self._keep(job)
            self._settle(job, reading)

    def give_back(self, job: Job) -> None:
        """Return a job untouched, because the daemon stops."""
        self.queue.give_back(job, self.clock())

    def _keep(self, job: Job) -> None:
        """Prolong a lease of which others have used up half: jobs wait for each other here."""
        now, lease = self.clock(), timedelta(seconds=self.settings.lease_s)
        if job.lease_until - now < lease / 2:
            self.queue.prolong(job, now, lease)

    def _infer(self, study: OpenStudy) -> StudyReading | None:
        reading = None
        with self._settling_errors(study.job):
            try:
                [reading] = self.reader.infer([study], self.clock())
            except Offline:
                self.queue.ledger.count(OFFLINE)
                reading = self.reader.unread(study.job, Reason.MODEL_OFFLINE, self.clock())
        return reading

    @contextmanager
    def _settling_errors(self, job: Job) -> Iterator[None]:
        """Decide what an error means for a job: refused for good, or tried again later."""
        try:
            yield
        except Rejected as error:
            self._refuse(job, error)
        except (Unavailable, OSError, MemoryError) as error:
            self._try_later(job, error)
        except Exception as error:  # a defect of ours costs an attempt; the last one has an outcome
            logger.exception("reading failed", extra=_context(job))
            self._try_later(job, error)

    def _settle(self, job: Job, reading: StudyReading) -> None:
        held = reading.reason is Reason.IDENTITY_CONFLICT
        results = [] if held else self.report(reading, job.withdrawal)
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
            results = self.report(reading, job.withdrawal)
        except Exception:  # what ended its reading may end this too; its outcome is kept
            logger.exception("no report for a quarantined study", extra=_context(job))
            self.queue.ledger.count(UNREPORTED)
            results = []
        self.queue.finish(job, reading, results, self.destinations, self.clock())


def _context(job: Job) -> dict[str, object]:
    return {"study": study_key(job.study_uid), "job": job.job_id, "attempt": job.attempt}
