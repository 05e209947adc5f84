"""What becomes of a job: claimed, opened, read, settled; and what an error means at each step.

`Worker.turn` does it all for one job; `daemon.reading.pipeline` does the steps of several at once.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from typing import TypeVar

from daemon.clock import Chronometer
from daemon.crashpoints import crash_point
from daemon.errors import Strained, Unavailable
from daemon.guarded import Said
from daemon.ledger.jobs.leases import Leases
from daemon.ledger.jobs.queue import Queue
from daemon.logs import study_key
from daemon.reading.device.guard import Offline
from daemon.reading.lack import Lack, Lacking
from daemon.reading.opened import OpenStudy
from daemon.reading.readers import Reads
from daemon.records import HELD, Job, Reason, Reported, StudyReading, Withdrawal
from daemon.settings import Reading
from daemon.signals import NOTHING, Signal

logger = logging.getLogger(__name__)

Reporter = Callable[[StudyReading, Withdrawal | None], Reported]
"""Turns a reading into result objects in the outbox, and withdraws what must not stand any more."""

Result = TypeVar("Result")


def nobody() -> None:
    """Tell nobody that a job was settled: whoever waits for it looks for himself."""


@dataclass(frozen=True, eq=False)
class Worker:
    """One reader with its queue; every job it claims ends settled, or queued again.

    What it holds is noted here and in the ledger. When the ledger did not take a change, the two
    are made to agree as soon as it answers: its absence charges no attempt. `settled` is called
    whenever there may be results to deliver.
    """

    name: str
    queue: Queue
    reader: Reads
    report: Reporter
    destinations: Sequence[str]
    settings: Reading
    clock: Chronometer
    settled: Callable[[], object] = nobody
    lack: Lack = field(init=False)
    _in_hand: dict[int, float] = field(default_factory=dict, init=False)
    """When the lease of each job in hand was last prolonged, by the stopwatch."""
    _said: Said = field(default_factory=lambda: Said("the queue of studies"), init=False)
    _doubt: Event = field(default_factory=Event, init=False)
    """Set while the ledger may show more in hand than there is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "lack", Lack(self.clock.seconds))

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
        """Take the next job, if there is one and nothing is lacking, the ledger included."""
        if not self.lack.may_claim():
            return None
        try:
            if self._doubt.is_set():
                self._doubt.clear()
                Leases(self.queue.ledger).give_back_all_but(self.name, list(self._in_hand))
            lease = timedelta(seconds=self.settings.lease_s)
            job = self.queue.claim(self.name, self.clock.steady(), lease)
        except Unavailable as error:
            self._doubt.set()
            self._said.waits(str(error))
            return None
        self._said.worked()
        if job is not None:
            self._in_hand[job.job_id] = self.clock.seconds()
            self.lack.claimed()
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
        with self._letting_go(job):
            self.queue.give_back(job)

    def _open(self, job: Job) -> OpenStudy | StudyReading:
        crash_point("read:before")
        opened = self.reader.open(job, self.clock(), lambda: self._keep(job))
        logger.debug("images opened", extra=_context(job))
        return opened

    def _keep(self, job: Job) -> None:
        """Prolong a lease of which others have used up half: jobs wait for each other here.

        An image may take its own limit of time to decode, and once more in a new child. A ledger
        that does not answer takes no lease from anybody.
        """
        now, kept = self.clock.seconds(), self._in_hand.get(job.job_id)
        if kept is not None and now - kept < self.settings.lease_s / 2:
            return
        with suppress(Unavailable):
            longest = timedelta(seconds=self.settings.silence_s)
            self.queue.prolong(job, self.clock.steady(), longest)
            self._in_hand[job.job_id] = now

    def _infer(self, study: OpenStudy) -> StudyReading | None:
        return self._attempt(study.job, lambda: self._read(study))

    def _read(self, study: OpenStudy) -> StudyReading:
        try:
            return self.reader.infer([study], self.clock())[0]
        except Offline:
            return self.reader.unread(study.job, Reason.MODEL_OFFLINE, self.clock())

    def _attempt(self, job: Job, step: Callable[[], Result]) -> Result | None:
        """Do one step of a job; after an error it gives None.

        What is lacking costs time, a defect of ours an attempt; the last one has an outcome.
        """
        try:
            return step()
        except (Unavailable, OSError, MemoryError) as error:
            self._lacked(job, error)
        except Exception as error:
            logger.exception("reading failed", extra=_context(job))
            self._try_later(job, type(error).__name__)
        return None

    def _settle(self, job: Job, reading: StudyReading) -> None:
        self._keep(job)
        logger.debug("images read", extra=_context(job))
        reported = self.report(reading, job.withdrawal)
        logger.debug("results written", extra=_context(job))
        crash_point("report:before-finish")
        if not self._finish(job, reading, reported):
            return
        crash_point("report:after-finish")
        words = f"{reading.category} ({reading.reason})" if reading.reason else reading.category
        level = logging.WARNING if reading.reason in HELD else logging.INFO
        logger.log(level, "read: %s, %d results", words, len(reported.files), extra=_context(job))

    def _finish(self, job: Job, reading: StudyReading, reported: Reported) -> bool:
        """Settle a job in the ledger; False when another worker has it."""
        has = self.queue.finish(
            job, reading, reported.files, self.destinations, self.clock(), reported.counts
        )
        self._in_hand.pop(job.job_id, None)
        if not has:
            logger.warning("lease lost: another worker has the study", extra=_context(job))
            return False
        self.settled()
        is_read = reading.reason is not Reason.FAILED_REPEATEDLY
        if due := self.lack.settled(job.job_id, is_read=is_read):
            with suppress(Unavailable):  # their time comes anyhow
                self.queue.hurry(due)
        return True

    def _lacked(self, job: Job, error: Exception) -> None:
        lacking = self.lack.failed(job.job_id, error)
        if lacking.is_its_own:
            self._try_later(job, lacking.cause)
        else:
            self._put_off(job, lacking)

    def _put_off(self, job: Job, lacking: Lacking) -> None:
        """Give a job back that something outside has failed; it is charged with no attempt."""
        if lacking.alone:
            words = "the study waits %.0f s while others are read: %s"
            logger.warning(words, lacking.wait_s, lacking.cause, extra=_context(job))
        counts = {Signal.STUDY_WAITS: 1} if lacking.is_to_be_told else NOTHING
        with self._letting_go(job):
            self.queue.put_off(job, lacking.cause, self._after(lacking.wait_s), counts)

    def _try_later(self, job: Job, detail: str) -> None:
        logger.warning("attempt failed: %s", detail, extra=_context(job))
        if job.attempt >= self.settings.max_attempts:
            self._give_up(job, Reason.FAILED_REPEATEDLY)
            return
        with self._letting_go(job):
            self.queue.retry(job, detail, self._after(self.settings.retry_delay_s))

    def _give_up(self, job: Job, reason: Reason) -> None:
        """Settle a study that cannot be read: it still gets its explicit outcome, and a report.

        Where disk or ledger do not take them now, that comes later.
        """
        reading = self.reader.unread(job, reason, self.clock())
        try:
            if self._finish(job, reading, self._last_results(job, reading)):
                logger.error("study quarantined: %s", reason, extra=_context(job))
        except (Unavailable, OSError) as error:
            self._put_off(job, self.lack.failed(job.job_id, error))

    def _last_results(self, job: Job, reading: StudyReading) -> Reported:
        try:
            return self.report(reading, job.withdrawal)
        except Exception as error:  # a defect in the report of last resort
            if isinstance(error, Unavailable | OSError) and not isinstance(error, Strained):
                raise
            logger.exception("no report for a quarantined study", extra=_context(job))
            return Reported(counts={Signal.NO_REPORT: 1})

    @contextmanager
    def _letting_go(self, job: Job) -> Iterator[None]:
        """Take a job out of hand; if the ledger does not note it now, it does before a claim."""
        self._in_hand.pop(job.job_id, None)
        try:
            yield
        except Unavailable:
            self._doubt.set()

    def _after(self, seconds: float) -> datetime:
        return self.clock.steady() + timedelta(seconds=seconds)


def _context(job: Job) -> dict[str, object]:
    return {"study": study_key(job.study_uid), "job": job.job_id, "attempt": job.attempt}
