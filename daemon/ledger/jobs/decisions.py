"""What a person decides about a study: try again, let go, leave it, read it anew."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

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
from daemon.records import NO_MODEL, Reason


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
            newest = _newest_jobs(connection, study_id)
            jobs = sum(_try_again(connection, job, now, urgent=urgent) for job in newest)
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
            if not jobs + deliveries and any(is_held(one.state, one.reason) for one in newest):
                raise Rejected(
                    "this study is held: mend it in the PACS and send it again, "
                    "or let it be read as it is with `wristd release`"
                )
            return Done(jobs, deliveries)

    def release(self, study_id: int, now: datetime) -> Done:
        """Let a held study be read as it is, also by models that have not come to it yet.

        Raises
        ------
        Rejected
            It is not held, or not as it was when it was held.
        """
        with self.ledger.transaction() as connection:
            newest = _newest_jobs(connection, study_id)
            if not any(is_held(one.state, one.reason) for one in newest):
                raise Rejected("this study is not held: see `wristd studies`")
            jobs = sum(_let_go(connection, one, now) for one in newest)
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
        self, study_id: int, recipes: Mapping[str, str], now: datetime, *, urgent: bool = False
    ) -> Done:
        """Let the models that read a study read it again; new results replace the old ones.

        A study that none of the present models was asked about is routed anew, and is not held by
        a rule that has gone.

        Parameters
        ----------
        study_id : int
        recipes : mapping
            The present recipe of each model, by its name.
        now : datetime
        urgent : bool
        """
        with self.ledger.transaction() as connection:
            newest = _newest_jobs(connection, study_id)
            if newest and not any(one.model_name in recipes for one in newest):
                return Done(_route_anew(connection, study_id, newest, now))
            begun = (JobState.QUEUED, JobState.RUNNING)
            again = [one for one in newest if one.state not in begun and one.model_name in recipes]
            return Done(
                sum(
                    _copy(connection, one, recipes[one.model_name], now, urgent=urgent)
                    for one in again
                )
            )


def _route_anew(
    connection: Connection, study_id: int, newest: Sequence[Row[Any]], now: datetime
) -> int:
    held = [one.id for one in newest if is_held(one.state, one.reason)]
    connection.execute(update(JobRow).where(JobRow.id.in_(held)).values(state=JobState.SKIPPED))
    route = update(StudyRow).where(StudyRow.id == study_id).values(waiting_since=now)
    return connection.execute(route).rowcount


def _newest_jobs(connection: Connection, study_id: int) -> Sequence[Row[Any]]:
    """Return the newest job of each model; that of none only where no model was asked.

    They are locked: no worker, of whichever host, takes or settles one until the decision is made.
    """
    of_each = (
        select(func.max(JobRow.id)).where(JobRow.study_id == study_id).group_by(JobRow.model_name)
    )
    jobs = select(JobRow.__table__).where(JobRow.id.in_(of_each)).order_by(JobRow.id)
    query = jobs.with_for_update()  # SQLite has no need
    found = connection.execute(query).all()
    return [one for one in found if one.model_name != NO_MODEL] or found


def _let_go(connection: Connection, job: Row[Any], now: datetime) -> int:
    """Release one model's job; returns how many jobs that makes, or lets go."""
    if job.state == JobState.QUEUED:
        reason = None if job.reason == Reason.CONTENT_CHANGED else job.reason
        mine = update(JobRow).where(JobRow.id == job.id)
        return connection.execute(mine.values(is_released=True, reason=reason)).rowcount
    if job.state == JobState.RUNNING or is_held(job.state, job.reason):
        return _copy(connection, job, job.recipe_digest, now, release=True)
    return 0


def _try_again(connection: Connection, job: Row[Any], now: datetime, *, urgent: bool) -> int:
    """Let a job that waits, failed or was skipped be done now; returns how many jobs that makes."""
    if job.state == JobState.QUEUED:
        values = {"not_before": AT_ONCE} | ({"priority": URGENT} if urgent else {})
        mine = update(JobRow).where(JobRow.id == job.id)
        return connection.execute(mine.values(**values)).rowcount
    if job.state in (JobState.QUARANTINED, JobState.SKIPPED):
        return _copy(connection, job, job.recipe_digest, now, urgent=urgent)
    return 0


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
        model_name=job.model_name,
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
