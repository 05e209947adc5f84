"""What becomes of a job: claimed, opened, read, settled; and what an error means at each step.

`Worker.turn` does it all for one job; `daemon.reading.pipeline` does the steps of several at once.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from daemon.clock import Clock
from daemon.crashpoints import crash_point
from daemon.errors import Unavailable
from daemon.ledger.queue import Queue
from daemon.logs import study_key
from daemon.reading.guard import Offline
from daemon.reading.read import OpenStudy, Reader
from daemon.records import HELD, Job, Reason, ResultFile, StudyReading, Withdrawal
from daemon.settings import Reading

logger = logging.getLogger(__name__)

HELD_STUDY = "alert_study_held"
QUARANTINED = "alert_study_quarantined"
UNREPORTED = "alert_no_report"
OFFLINE = "alert_model_offline"
"""Counters in the ledger: what a person should look at, shown by `wristd status`."""

Reporter = Callable[[StudyReading, Withdrawal | None], list[ResultFile]]
"""Turns a reading into result objects in the outbox, and withdraws what must not stand any more."""

Result = TypeVar("Result")


def nobody() -> None:
    """Tell nobody that a job was settled: whoever waits for it looks for himself."""


@dataclass(frozen=True, eq=False)
class Worker:
    """One reader with its queue; every job it claims ends settled, or queued again.

    `settled` is called whenever there may be results to deliver.
    """

    name: str
    queue: Queue
    reader: Reader
    report: Reporter
    destinations: Sequence[str]
    settings: Reading
    clock: Clock
    settled: Callable[[], object] = nobody

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
        lease = timedelta(seconds=self.settings.lease_s)
        job = self.queue.claim(self.name, self.clock(), lease)
        if job is not None:
            logger.debug("study claimed", extra=_context(job))
        return job

    def open(self, job: Job) -> OpenStudy | StudyReading | None:
        """Decode a job's images; a reading where there is nothing to infer, None after an error."""
        if job.attempt > self.settings.max_attempts:
            self._give_up(job, Reason.FAILED_REPEATEDLY)
            return None
        return self._attempt(job, lambda: self._open(job))

    def infer(self, studies: Sequence[OpenStudy]) -> list[tuple[Job, StudyReading | None]]:
        """Read opened studies together; None after an error.

        When they fail together each is tried alone: one must not take the others with it.
        """
        for study in studies:
            self._keep(study.job)
        if len(studies) > 1:
            try:
                readings = self.reader.infer(studies, self.clock())
                return [(one.job, it) for one, it in zip(studies, readings, strict=True)]
            except Unavailable as error:
                logger.warning("%d studies failed together: %s", len(studies), error)
            except Exception:  # a defect of ours, met by one of them: each is tried alone
                logger.exception("%d studies failed together", len(studies))
        return [(study.job, self._infer(study)) for study in studies]

    def settle(self, job: Job, reading: StudyReading) -> None:
        """Report a reading and settle its job."""
        self._attempt(job, lambda: self._settle(job, reading))

    def give_back(self, job: Job) -> None:
        """Return a job untouched, because the daemon stops."""
        self.queue.give_back(job, self.clock())

    def _open(self, job: Job) -> OpenStudy | StudyReading:
        crash_point("read:before")
        opened = self.reader.open(job, self.clock(), lambda: self._keep(job))
        logger.debug("images opened", extra=_context(job))
        return opened

    def _keep(self, job: Job) -> None:
        """Prolong a lease of which others have used up half: jobs wait for each other here.

        An image may take its own limit of time to decode, and once more in a new child.
        """
        now, lease = self.clock(), timedelta(seconds=self.settings.lease_s)
        longest = lease + 2 * timedelta(seconds=self.settings.decode_timeout_s)
        if job.lease_until - now < lease / 2:
            self.queue.prolong(job, now, longest)

    def _infer(self, study: OpenStudy) -> StudyReading | None:
        return self._attempt(study.job, lambda: self._read(study))

    def _read(self, study: OpenStudy) -> StudyReading:
        try:
            return self.reader.infer([study], self.clock())[0]
        except Offline:
            self.queue.ledger.count(OFFLINE)
            return self.reader.unread(study.job, Reason.MODEL_OFFLINE, self.clock())

    def _attempt(self, job: Job, step: Callable[[], Result]) -> Result | None:
        """Do one step of a job; an error costs it an attempt, and the step gives None."""
        try:
            return step()
        except (Unavailable, OSError, MemoryError) as error:
            self._try_later(job, error)
        except Exception as error:  # a defect of ours costs an attempt; the last one has an outcome
            logger.exception("reading failed", extra=_context(job))
            self._try_later(job, error)
        return None

    def _settle(self, job: Job, reading: StudyReading) -> None:
        self._keep(job)
        logger.debug("images read", extra=_context(job))
        results = self.report(reading, job.withdrawal)
        logger.debug("results written", extra=_context(job))
        crash_point("report:before-finish")
        if not self._finish(job, reading, results):
            logger.warning("lease lost: another worker has the study", extra=_context(job))
            return
        crash_point("report:after-finish")
        held = reading.reason in HELD
        if held:
            self.queue.ledger.count(HELD_STUDY)
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

    def _give_up(self, job: Job, reason: Reason) -> None:
        """Settle a study that cannot be read: it still gets its explicit outcome, and a report."""
        logger.error("study quarantined: %s", reason, extra=_context(job))
        self.queue.ledger.count(QUARANTINED)
        reading = self.reader.unread(job, reason, self.clock())
        try:
            results = self.report(reading, job.withdrawal)
        except Exception:  # a disk that is full, or a defect in the report of last resort
            logger.exception("no report for a quarantined study", extra=_context(job))
            self.queue.ledger.count(UNREPORTED)
            results = []
        self._finish(job, reading, results)

    def _finish(self, job: Job, reading: StudyReading, results: list[ResultFile]) -> bool:
        """Write what became of a job, and say so; False when its lease was lost."""
        is_ours = self.queue.finish(job, reading, results, self.destinations, self.clock())
        if is_ours:
            self.settled()
        return is_ours


def _context(job: Job) -> dict[str, object]:
    return {"study": study_key(job.study_uid), "job": job.job_id, "attempt": job.attempt}
