"""What a person decides about a study: try again, let go, leave it, read it anew."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from daemon.errors import Rejected
from daemon.ledger.hosts.holding import held_by, most_first
from daemon.ledger.jobs.inputs import add_inputs
from daemon.ledger.jobs.queue import URGENT
from daemon.ledger.ledger import Ledger
from daemon.ledger.states import DeliveryState, JobState, is_held
from daemon.ledger.tables import (
    DeliveryRow,
    InstanceRow,
    JobInputRow,
    JobRow,
    ResultRow,
    StudyRow,
)
from daemon.ledger.waits import AT_ONCE
from daemon.logs import study_key
from daemon.records import Reason


@dataclass(frozen=True)
class Done:
    """What a decision has changed."""

    jobs: int = 0
    deliveries: int = 0


@dataclass(frozen=True)
class Decisions:
    """A person's hand on one ledger."""

    ledger: Ledger

    def find(self, study: str) -> int | None:
        """Return the id of the study with this pseudonym (as logs show it) or Study UID."""
        with self.ledger.snapshot() as connection:
            known = connection.scalar(select(StudyRow.id).where(StudyRow.study_uid == study))
            if known is not None:
                return int(known)
            for row in connection.execute(select(StudyRow.id, StudyRow.study_uid)):
                if study_key(row.study_uid) == study:
                    return int(row.id)
        return None

    def retry(self, study_id: int, now: datetime, *, urgent: bool = False) -> Done:
        """Take up again what waits, failed or was skipped, now; parked results are sent again.

        Raises
        ------
        Rejected
            The study is held: trying again would hold it again.
        """
        with self.ledger.transaction() as connection:
            job = _newest_job(connection, study_id)
            jobs = 0
            if job is not None and job.state == JobState.QUEUED:
                values = {"not_before": AT_ONCE} | ({"priority": URGENT} if urgent else {})
                jobs = connection.execute(
                    update(JobRow).where(JobRow.id == job.id).values(**values)
                ).rowcount
            elif job is not None and job.state in (JobState.QUARANTINED, JobState.SKIPPED):
                jobs = _copy(connection, job, job.recipe_digest, now, urgent=urgent)
            again = (
                update(DeliveryRow)
                .where(
                    DeliveryRow.result_id.in_(_results_of(study_id)),
                    DeliveryRow.state.in_([DeliveryState.PARKED, DeliveryState.SKIPPED]),
                )
                .values(
                    state=DeliveryState.PENDING,
                    created_at=now,
                    not_before=AT_ONCE,
                    settled_at=None,
                )
            )
            deliveries = connection.execute(again).rowcount
            if not deliveries and job is not None and is_held(job.state, job.reason):
                raise Rejected(
                    "this study is held: mend it in the PACS and send it again, "
                    "or let it be read as it is with `wristd release`"
                )
            return Done(jobs, deliveries)

    def release(self, study_id: int, now: datetime) -> Done:
        """Let a held study be read as it is.

        Raises
        ------
        Rejected
            It is not held, or not as it was when it was held.
        """
        with self.ledger.transaction() as connection:
            job = _newest_job(connection, study_id)
            if job is None or not is_held(job.state, job.reason):
                raise Rejected("this study is not held: see `wristd studies`")
            jobs = _copy(connection, job, job.recipe_digest, now, release=True)
            if not jobs:
                raise Rejected("other images came since this study was held: it is read anew")
            return Done(jobs)

    def skip(self, study_id: int, now: datetime) -> Done:
        """Leave a study: what is not read stays unread, what is not sent stays here."""
        with self.ledger.transaction() as connection:
            jobs = connection.execute(
                update(JobRow)
                .where(
                    JobRow.study_id == study_id,
                    JobRow.state.in_([JobState.QUEUED, JobState.RUNNING, JobState.QUARANTINED]),
                )
                .values(state=JobState.SKIPPED, worker=None, lease_until=None, finished_at=now)
            ).rowcount
            deliveries = connection.execute(
                update(DeliveryRow)
                .where(
                    DeliveryRow.result_id.in_(_results_of(study_id)),
                    DeliveryRow.state.in_([DeliveryState.PENDING, DeliveryState.PARKED]),
                )
                .values(state=DeliveryState.SKIPPED, settled_at=now)
            ).rowcount
            return Done(jobs, deliveries)

    def replay(
        self, study_id: int, recipe_digest: str, now: datetime, *, urgent: bool = False
    ) -> Done:
        """Read a study again with the present recipe; new results replace the old ones."""
        with self.ledger.transaction() as connection:
            job = _newest_job(connection, study_id)
            if job is None or job.state in (JobState.QUEUED, JobState.RUNNING):
                return Done()
            return Done(_copy(connection, job, recipe_digest, now, urgent=urgent))


def _newest_job(connection: Connection, study_id: int) -> Row[Any] | None:
    query = select(JobRow.__table__).where(JobRow.study_id == study_id)
    return connection.execute(query.order_by(JobRow.id.desc()).limit(1)).one_or_none()


def _copy(
    connection: Connection,
    job: Row[Any],
    recipe_digest: str,
    now: datetime,
    *,
    urgent: bool = False,
    release: bool = False,
) -> int:
    """Queue a new job with the inputs of an old one; a failed one is settled by that.

    What a person released stays so, and what was held for its content stays held.
    """
    inputs = connection.execute(
        select(InstanceRow.id, InstanceRow.replaced)
        .join(JobInputRow, JobInputRow.instance_id == InstanceRow.id)
        .where(JobInputRow.job_id == job.id)
    ).all()
    if not inputs or any(one.replaced for one in inputs):  # purged long ago, or read anew anyway
        return 0
    holders = most_first(held_by(connection, InstanceRow.id.in_([one.id for one in inputs])))
    is_released = release or job.is_released
    is_kept_back = job.reason == Reason.CONTENT_CHANGED and not is_released
    digest = hashlib.sha256(f"{job.inputs_digest}\x1fagain after {job.id}".encode())
    new = insert(JobRow).values(
        study_id=job.study_id,
        inputs_digest=digest.hexdigest(),
        recipe_digest=recipe_digest,
        state=JobState.QUEUED,
        priority=URGENT if urgent else job.priority,
        attempts=0,
        not_before=AT_ONCE,
        created_at=now,
        is_released=is_released,
        reason=Reason.CONTENT_CHANGED if is_kept_back else None,
        place=holders[0],
    )
    job_id = connection.scalars(new.returning(JobRow.id)).one()
    add_inputs(connection, job_id, [one.id for one in inputs], holders[0])
    connection.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.state == JobState.QUARANTINED)
        .values(state=JobState.SKIPPED)
    )
    return 1


def _results_of(study_id: int) -> Select[Any]:
    return (
        select(ResultRow.id)
        .join(JobRow, JobRow.id == ResultRow.job_id)
        .where(JobRow.study_id == study_id)
    )
