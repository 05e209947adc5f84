"""The queue of jobs: every transition of a job's state is one method, one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Update, func, select, update
from sqlalchemy.orm import aliased

from daemon.ledger.jobs.inputs import inputs_of, present_inputs
from daemon.ledger.jobs.leases import QUEUED_AGAIN
from daemon.ledger.jobs.making import NewJobs
from daemon.ledger.jobs.overtaken import give_up_emptied, overtaken, study_uid_of
from daemon.ledger.jobs.settle import count_all, origin_of, write_results, write_scores
from daemon.ledger.jobs.standing import standing_of, superseded_by
from daemon.ledger.ledger import Ledger
from daemon.ledger.states import JobState
from daemon.ledger.tables import JobRow, StudyRow
from daemon.ledger.waits import AT_ONCE, due
from daemon.records import (
    NO_MODEL,
    Job,
    Reason,
    ResultFile,
    StudyReading,
)
from daemon.signals import NOTHING, Tally

URGENT, ROUTINE, BATCH = 0, 1, 2
"""Priorities: the lower one is claimed first."""

_DETAIL_LENGTH = 255


@dataclass(frozen=True)
class Queue:
    """Jobs of one ledger."""

    ledger: Ledger

    def enqueue(
        self,
        study_id: int,
        recipes: Mapping[str, str],
        now: datetime,
        priority: int = ROUTINE,
        reason: Reason | None = None,
        *,
        hold_changed: bool = False,
    ) -> list[int]:
        """Make the jobs, one for each model, for all images of a study that counts as complete.

        An older job of one of the models that nobody has claimed yet is not read any more, nor is
        one for other images. A study that has lost all its images is counted.

        Parameters
        ----------
        study_id : int
        recipes : mapping
            By the name of a model what names it, its package and the settings.
        now : datetime
        priority : int
            `URGENT`, `ROUTINE` or `BATCH`.
        reason : Reason or None
            Why the study is to be reported as not analysed, should that be clear already.
        hold_changed : bool
            Hold the study for a person if the content of an image was replaced.

        Returns
        -------
        list of int
            The ids of the jobs. None is made where the same images were already read with the same
            recipe, so that a repeated sweep or a resend makes no second job; or where no image is
            left.
        """
        with self.ledger.transaction() as connection:
            was_waiting = connection.execute(
                update(StudyRow)
                .where(StudyRow.id == study_id, StudyRow.waiting_since.is_not(None))
                .values(waiting_since=None)
            ).rowcount
            instances = present_inputs(connection, study_id, self.ledger.place)
            if not instances:
                if was_waiting:  # else another host was here before us
                    give_up_emptied(connection, study_id, now)
                return []
            if hold_changed and any(one.revision for one in instances):
                reason = Reason.CONTENT_CHANGED
            new = NewJobs(study_id, instances, priority, reason, now, self.ledger.place)
            return new.make(connection, recipes)

    def claim(self, worker: str, now: datetime, lease: timedelta) -> Job | None:
        """Take the most urgent job that is due, in one statement; None when there is none.

        A study is read by one worker at a time, and no job is read after a newer one of its study
        and model, so that the newest result is the last one. Another host's jobs are left to it.
        `now` is a steady time.
        """
        other = aliased(JobRow)
        being_read = (
            select(other.id)
            .where(other.study_id == JobRow.study_id, other.state == JobState.RUNNING)
            .exists()
        )
        next_one = (
            select(JobRow.id)
            .where(JobRow.state == JobState.QUEUED, JobRow.place == self.ledger.place)
            .where(due(JobRow.not_before, now), ~being_read)
            .order_by(JobRow.priority, JobRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # several hosts on PostgreSQL; SQLite has no need
        )
        take = (
            update(JobRow)
            .where(JobRow.id == next_one.scalar_subquery())
            .values(
                state=JobState.RUNNING,
                worker=worker,
                lease_until=now + lease,
                attempts=JobRow.attempts + 1,
            )
            .returning(JobRow.__table__)
        )
        with self.ledger.transaction() as connection:
            while (row := connection.execute(take).one_or_none()) is not None:
                newest = select(func.max(JobRow.id)).where(
                    JobRow.study_id == row.study_id, JobRow.model_name == row.model_name
                )
                if row.id == connection.scalar(newest):
                    return _job(connection, row, self.ledger.place)
                this = JobRow.id == row.id
                connection.execute(overtaken(row.study_id, now, this, JobState.RUNNING))
            return None

    def finish(
        self,
        job: Job,
        reading: StudyReading,
        results: Sequence[ResultFile],
        destinations: Sequence[str],
        now: datetime,
        counts: Tally = NOTHING,
    ) -> bool:
        """Settle a job with its outcome, scores, results, their deliveries and counts, all at once.

        Returns
        -------
        bool
            False when the lease was lost to another worker: nothing was written.
        """
        settle = _held(job).values(
            state=_settled_state(reading),
            lease_until=None,
            finished_at=now,
            category=reading.category,
            reason=reading.reason,
            **origin_of(reading),
        )
        with self.ledger.transaction() as connection:
            if connection.execute(settle).rowcount == 0:
                return False
            write_scores(connection, job, reading)
            write_results(connection, job, results, destinations, now, self.ledger.place)
            count_all(connection, counts)
            return True

    def retry(self, job: Job, detail: str, not_before: datetime) -> bool:
        """Give a job back after an error, to be claimed again from `not_before` on.

        Returns False when the job was lost to another worker.
        """
        again = _held(job).values(
            **QUEUED_AGAIN, not_before=not_before, detail=detail[:_DETAIL_LENGTH]
        )
        with self.ledger.transaction() as connection:
            return connection.execute(again).rowcount == 1

    def put_off(self, job: Job, detail: str, not_before: datetime, counts: Tally = NOTHING) -> bool:
        """Give a job back that something outside has failed: this attempt does not count.

        Returns False when the job was lost to another worker: nothing was counted either.
        """
        later = _held(job).values(
            **QUEUED_AGAIN,
            not_before=not_before,
            attempts=JobRow.attempts - 1,
            detail=detail[:_DETAIL_LENGTH],
        )
        with self.ledger.transaction() as connection:
            if connection.execute(later).rowcount == 0:
                return False
            count_all(connection, counts)
            return True

    def prolong(self, job: Job, now: datetime, lease: timedelta) -> bool:
        """Let a job's lease end later; False when the job was lost to another worker."""
        longer = _held(job).values(lease_until=now + lease)
        with self.ledger.transaction() as connection:
            return connection.execute(longer).rowcount == 1

    def give_back(self, job: Job) -> bool:
        """Queue a job again that nothing was done for: this attempt does not count."""
        untouched = _held(job).values(**QUEUED_AGAIN, attempts=JobRow.attempts - 1)
        with self.ledger.transaction() as connection:
            return connection.execute(untouched).rowcount == 1

    def hurry(self, job_ids: Collection[int]) -> None:
        """Let jobs that were put off be claimed at once."""
        at_once = (
            update(JobRow)
            .where(JobRow.id.in_(list(job_ids)), JobRow.state == JobState.QUEUED)
            .values(not_before=AT_ONCE)
        )
        with self.ledger.transaction() as connection:
            connection.execute(at_once)

    def release(self, worker: str) -> int:
        """Queue every job a stopped worker of this name still holds here; returns how many."""
        held = (
            update(JobRow)
            .where(JobRow.state == JobState.RUNNING, JobRow.worker == worker)
            .where(JobRow.place == self.ledger.place)
            .values(**QUEUED_AGAIN)
        )
        with self.ledger.transaction() as connection:
            return connection.execute(held).rowcount


def _held(job: Job) -> Update:
    """Address the job only while this worker holds it: the fence against a second result.

    Whoever takes a job over changes its attempts; what the lease's time is matters to nobody here.
    """
    return update(JobRow).where(
        JobRow.id == job.job_id,
        JobRow.state == JobState.RUNNING,
        JobRow.worker == job.worker,
        JobRow.attempts == job.attempt,
    )


def _job(connection: Connection, row: Row[Any], place: int | None) -> Job:
    """Return a job just claimed, with its effect on the results that stand."""
    instances = inputs_of(connection, row.id, place)
    standing = standing_of(connection, row.study_id, {row.model_name, NO_MODEL})
    supersedes, withdrawal = superseded_by(standing, instances)
    return Job(
        job_id=row.id,
        study_uid=study_uid_of(connection, row.study_id),
        attempt=row.attempts,
        worker=row.worker,
        lease_until=row.lease_until,
        instances=instances,
        supersedes=supersedes,
        reason=Reason(row.reason) if row.reason else None,
        withdrawal=withdrawal,
        is_released=row.is_released,
        model_name=row.model_name,
    )


def _settled_state(reading: StudyReading) -> JobState:
    failed = reading.reason in (Reason.FAILED_REPEATEDLY, Reason.INVALID_RESULT)
    return JobState.QUARANTINED if failed else JobState.DONE
