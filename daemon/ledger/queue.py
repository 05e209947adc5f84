"""The queue of jobs: every transition of a job's state is one method, one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Update, insert, select, update
from sqlalchemy.orm import aliased

from daemon.ledger.inputs import inputs_of, predecessors_of
from daemon.ledger.ledger import Ledger, upsert
from daemon.ledger.settle import origin_of, write_result, write_scores
from daemon.ledger.states import JobState
from daemon.ledger.tables import InstanceRow, JobInputRow, JobRow, StudyRow
from daemon.records import (
    Job,
    Reason,
    ResultFile,
    StudyReading,
    WaitingInput,
)

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
        recipe_digest: str,
        now: datetime,
        priority: int = ROUTINE,
        reason: Reason | None = None,
    ) -> int | None:
        """Make the job for all images of a study that now counts as complete.

        An older job of the study that nobody has claimed yet is not read any more.

        Parameters
        ----------
        study_id : int
        recipe_digest : str
            Names model package and settings.
        now : datetime
        priority : int
            `URGENT`, `ROUTINE` or `BATCH`.
        reason : Reason or None
            Why the study is to be reported as not analysed, should that be clear already.

        Returns
        -------
        int or None
            The job's id; None when the same images were already read with the same recipe (model
            package and settings), so that a repeated sweep or a resend makes no second job.
        """
        with self.ledger.transaction() as connection:
            connection.execute(
                update(StudyRow).where(StudyRow.id == study_id).values(waiting_since=None)
            )
            instances = connection.execute(
                select(InstanceRow.id, InstanceRow.sop_instance_uid, InstanceRow.digest)
                .where(InstanceRow.study_id == study_id, InstanceRow.replaced.is_(False))
                .order_by(InstanceRow.sop_instance_uid)
            ).all()
            if not instances:
                return None
            key = "\n".join(f"{row.sop_instance_uid} {row.digest}" for row in instances)
            new = upsert(connection, JobRow).values(
                study_id=study_id,
                inputs_digest=hashlib.sha256(key.encode()).hexdigest(),
                recipe_digest=recipe_digest,
                state=JobState.QUEUED,
                priority=priority,
                attempts=0,
                not_before=now,
                created_at=now,
                reason=reason,
            )
            job_id = connection.scalar(new.on_conflict_do_nothing().returning(JobRow.id))
            if job_id is None:
                return None
            connection.execute(_overtaken(study_id, int(job_id), now))
            connection.execute(
                insert(JobInputRow),
                [{"job_id": job_id, "instance_id": row.id} for row in instances],
            )
            return int(job_id)

    def waiting_inputs(self, study_id: int) -> list[WaitingInput]:
        """Return the images that a job made now would read."""
        query = select(InstanceRow.file, InstanceRow.calling_ae).where(
            InstanceRow.study_id == study_id, InstanceRow.replaced.is_(False)
        )
        with self.ledger.snapshot() as connection:
            return [WaitingInput(*row) for row in connection.execute(query)]

    def claim(self, worker: str, now: datetime, lease: timedelta) -> Job | None:
        """Take the most urgent job that is due, in one statement; None when there is none.

        A study is read by one worker at a time, so that its newest result is the last one.
        """
        other = aliased(JobRow)
        being_read = (
            select(other.id)
            .where(other.study_id == JobRow.study_id, other.state == JobState.RUNNING)
            .exists()
        )
        due = (
            select(JobRow.id)
            .where(JobRow.state == JobState.QUEUED, JobRow.not_before <= now, ~being_read)
            .order_by(JobRow.priority, JobRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # several hosts on PostgreSQL; SQLite has no need
        )
        take = (
            update(JobRow)
            .where(JobRow.id == due.scalar_subquery())
            .values(
                state=JobState.RUNNING,
                worker=worker,
                lease_until=now + lease,
                attempts=JobRow.attempts + 1,
            )
            .returning(JobRow.id, JobRow.study_id, JobRow.attempts, JobRow.reason)
        )
        with self.ledger.transaction() as connection:
            row = connection.execute(take).one_or_none()
            if row is None:
                return None
            return Job(
                job_id=row.id,
                study_uid=connection.scalars(
                    select(StudyRow.study_uid).where(StudyRow.id == row.study_id)
                ).one(),
                attempt=row.attempts,
                worker=worker,
                lease_until=now + lease,
                instances=inputs_of(connection, row.id),
                supersedes=predecessors_of(connection, row.study_id, row.id),
                reason=Reason(row.reason) if row.reason else None,
            )

    def finish(
        self,
        job: Job,
        reading: StudyReading,
        results: Sequence[ResultFile],
        destinations: Sequence[str],
        now: datetime,
    ) -> bool:
        """Settle a job with its outcome, scores, results and their deliveries, all at once.

        Returns
        -------
        bool
            False when the lease was lost to another worker: nothing was written.
        """
        settle = _held(job, now).values(
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
            for result in results:
                write_result(connection, job.job_id, result, destinations, now)
            return True

    def retry(self, job: Job, detail: str, now: datetime, not_before: datetime) -> bool:
        """Give a job back after an error, to be claimed again from `not_before` on.

        Returns False when the lease was lost to another worker.
        """
        release = _held(job, now).values(
            state=JobState.QUEUED,
            lease_until=None,
            worker=None,
            not_before=not_before,
            detail=detail[:_DETAIL_LENGTH],
        )
        with self.ledger.transaction() as connection:
            return connection.execute(release).rowcount == 1

    def prolong(self, job: Job, now: datetime, lease: timedelta) -> bool:
        """Let a job's lease, which still lasts, end later; False when it was lost."""
        longer = _held(job, now).values(lease_until=now + lease)
        with self.ledger.transaction() as connection:
            return connection.execute(longer).rowcount == 1

    def give_back(self, job: Job, now: datetime) -> bool:
        """Queue a job again that nothing was done for: this attempt does not count."""
        untouched = _held(job, now).values(
            state=JobState.QUEUED, worker=None, lease_until=None, attempts=JobRow.attempts - 1
        )
        with self.ledger.transaction() as connection:
            return connection.execute(untouched).rowcount == 1

    def expire_leases(self, now: datetime) -> int:
        """Queue the jobs whose worker fell silent; returns how many."""
        expired = (
            update(JobRow)
            .where(JobRow.state == JobState.RUNNING, JobRow.lease_until < now)
            .values(state=JobState.QUEUED, worker=None, lease_until=None, detail="lease expired")
        )
        with self.ledger.transaction() as connection:
            return connection.execute(expired).rowcount

    def release(self, worker: str) -> int:
        """Queue every job a stopped worker of this name still holds; returns how many."""
        held = (
            update(JobRow)
            .where(JobRow.state == JobState.RUNNING, JobRow.worker == worker)
            .values(state=JobState.QUEUED, worker=None, lease_until=None)
        )
        with self.ledger.transaction() as connection:
            return connection.execute(held).rowcount


def _held(job: Job, now: datetime) -> Update:
    """Address the job only while this worker's lease lasts: the fence against a second result."""
    return update(JobRow).where(
        JobRow.id == job.job_id,
        JobRow.state == JobState.RUNNING,
        JobRow.worker == job.worker,
        JobRow.attempts == job.attempt,
        JobRow.lease_until >= now,
    )


def _overtaken(study_id: int, job_id: int, now: datetime) -> Update:
    """Address the jobs of a study that a newer one, with more images, makes needless."""
    older = (JobRow.study_id == study_id, JobRow.id < job_id, JobRow.state == JobState.QUEUED)
    return (
        update(JobRow)
        .where(*older)
        .values(
            state=JobState.SKIPPED, finished_at=now, detail="more images came before it was read"
        )
    )


def _settled_state(reading: StudyReading) -> JobState:
    failed = reading.reason in (Reason.FAILED_REPEATEDLY, Reason.INVALID_RESULT)
    return JobState.QUARANTINED if failed else JobState.DONE
