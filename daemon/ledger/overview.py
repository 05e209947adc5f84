"""What a person asks the ledger: studies, their outcome, and how far their results have come."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from daemon.ledger.hosts.holding import places_of
from daemon.ledger.jobs.standing import WITHDRAWAL, since_last_note
from daemon.ledger.ledger import Ledger
from daemon.ledger.states import CommitState, DeliveryState, JobState, is_held
from daemon.ledger.tables import (
    DeliveryRow,
    InstanceRow,
    JobRow,
    ResultRow,
    ScoreRow,
    StudyRow,
)
from daemon.ledger.waits import AT_ONCE
from daemon.reasons import Category, worst
from daemon.records import NO_MODEL
from daemon.signals import Signal

_LEAST_FAR = [
    JobState.QUEUED,
    JobState.RUNNING,
    JobState.QUARANTINED,
    JobState.DONE,
    JobState.SKIPPED,
]
_OPEN_PROMISES = (CommitState.WANTED, CommitState.ASKED)


@dataclass(frozen=True)
class ModelState:
    """What one model, by the name of the settings, says of a study: its newest job decides."""

    model: str
    state: str
    category: str | None
    reason: str | None
    provider: str | None
    attempts: int
    detail: str | None
    finished_at: datetime | None
    highest_score: float | None


@dataclass(frozen=True)
class StudyState:
    """One study as operators see it; of each model the newest job decides.

    `models` says what each model says. The study has the state of the model that is least far, the
    worst category, and the reason of the first model where none has analysed it. `state` is
    "waiting" before there is a job; `instances` counts the images that are not replaced.
    `is_held` says that a person must look before anything is sent, `is_released` that one did.
    Deliveries count objects at destinations, whatever job made them. `superseded` and `withdrawn`
    count the result objects that newer ones replace, and that a rejection note names.
    """

    study_uid: str
    instances: int
    state: str
    category: str | None
    reason: str | None
    provider: str | None
    attempts: int
    detail: str | None
    last_arrival_at: datetime
    finished_at: datetime | None
    highest_score: float | None
    deliveries: dict[str, int]
    superseded: int
    withdrawn: int
    is_held: bool
    is_released: bool
    models: tuple[ModelState, ...] = ()
    places: tuple[str, ...] = ()
    """Where its images lie, in a ledger that hosts share."""


def study_states(ledger: Ledger, limit: int = 50) -> list[StudyState]:
    """Return the studies that had the latest arrivals, newest first."""
    with ledger.snapshot() as connection:
        rows = connection.execute(_latest_studies(limit)).all()
        studies = [row.id for row in rows]
        jobs = _newest_jobs(connection, studies)
        results = _results(connection, studies)
        places = places_of(connection, studies)
    return [
        _state(
            row,
            jobs.get(row.id, []),
            results.get(row.id, _Results()),
            tuple(places.get(row.id, ())),
        )
        for row in rows
    ]


@dataclass
class _Results:
    """The result objects of one study, oldest first, and where they are."""

    objects: list[Row[Any]] = field(default_factory=list)
    deliveries: dict[str, int] = field(default_factory=dict)

    def marks(self) -> tuple[int, int]:
        """Count what is superseded, and what is withdrawn, of each model."""
        superseded = withdrawn = 0
        for model in {row.model_name for row in self.objects}:
            mine = [row for row in self.objects if row.model_name == model]
            standing = since_last_note(mine)
            rejected = mine[: len(mine) - len(standing)]
            superseded += sum(row.job_id != standing[-1].job_id for row in standing)
            withdrawn += sum(row.kind != WITHDRAWAL for row in rejected)
        return superseded, withdrawn


def _results(connection: Connection, studies: Sequence[int]) -> dict[int, _Results]:
    of_studies = (
        select(JobRow.study_id)
        .join(ResultRow, ResultRow.job_id == JobRow.id)
        .where(JobRow.study_id.in_(studies))
    )
    found: dict[int, _Results] = {}
    objects = of_studies.add_columns(ResultRow.job_id, ResultRow.kind, JobRow.model_name).order_by(
        ResultRow.id
    )
    for row in connection.execute(objects):
        found.setdefault(row.study_id, _Results()).objects.append(row)
    for study_id, state, number in connection.execute(
        of_studies.join(DeliveryRow, DeliveryRow.result_id == ResultRow.id)
        .add_columns(DeliveryRow.state, func.count())
        .group_by(JobRow.study_id, DeliveryRow.state)
    ):
        found[study_id].deliveries[state] = number
    return found


def _latest_studies(limit: int) -> Select[Any]:
    instances = (
        select(func.count())
        .where(InstanceRow.study_id == StudyRow.id, InstanceRow.replaced.is_(False))
        .scalar_subquery()
    )
    return (
        select(
            StudyRow.id,
            StudyRow.study_uid,
            StudyRow.last_arrival_at,
            instances.label("instances"),
        )
        .order_by(StudyRow.last_arrival_at.desc())
        .limit(limit)
    )


def _newest_jobs(connection: Connection, studies: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """Return each model's newest job of studies; that of none only where no model was asked."""
    highest = func.max(ScoreRow.probability).label("highest")
    newest = (
        select(func.max(JobRow.id))
        .where(JobRow.study_id.in_(studies))
        .group_by(JobRow.study_id, JobRow.model_name)
    )
    query = (
        select(JobRow.__table__, highest)
        .outerjoin(ScoreRow, ScoreRow.job_id == JobRow.id)
        .where(JobRow.id.in_(newest))
        .group_by(JobRow.id)
        .order_by(JobRow.id)
    )
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.study_id, []).append(row)
    return {
        study: [row for row in rows if row.model_name != NO_MODEL] or rows
        for study, rows in found.items()
    }


def backlog(ledger: Ledger) -> dict[str, int]:
    """Return how many jobs are in each state, how many deliveries, and how many promises wait."""
    with ledger.snapshot() as connection:
        jobs = connection.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
        counts = {Signal.JOBS.of(state): number for state, number in jobs}
        deliveries = connection.execute(
            select(DeliveryRow.state, func.count())
            .where(DeliveryRow.state != DeliveryState.DELIVERED)
            .group_by(DeliveryRow.state)
        )
        counts.update({Signal.DELIVERIES.of(state): number for state, number in deliveries})
        promises = connection.execute(
            select(DeliveryRow.commitment, func.count())
            .where(DeliveryRow.commitment.in_(_OPEN_PROMISES))
            .group_by(DeliveryRow.commitment)
        )
        counts.update({Signal.COMMITMENTS.of(str(state)): number for state, number in promises})
    return counts


def put_off(ledger: Ledger) -> dict[str, int]:
    """Return for want of what, or after which failure, how many queued jobs wait."""
    query = (
        select(JobRow.detail, func.count())
        .where(
            JobRow.state == JobState.QUEUED,
            JobRow.not_before > AT_ONCE,
            JobRow.detail.is_not(None),
        )
        .group_by(JobRow.detail)
    )
    with ledger.snapshot() as connection:
        return {str(detail): number for detail, number in connection.execute(query)}


def oldest(ledger: Ledger) -> dict[Signal, datetime]:
    """Return since when the oldest of each kind of work waits; what has no work is left out."""
    queries = {
        Signal.WAITING_STUDIES: select(func.min(StudyRow.waiting_since)),
        Signal.QUEUED_JOBS: _first_created(JobState.QUEUED),
        Signal.RUNNING_JOBS: _first_created(JobState.RUNNING),
        Signal.PENDING_DELIVERIES: select(func.min(DeliveryRow.created_at)).where(
            DeliveryRow.state == DeliveryState.PENDING
        ),
        Signal.OPEN_COMMITMENTS: select(func.min(DeliveryRow.settled_at)).where(
            DeliveryRow.commitment.in_(_OPEN_PROMISES)
        ),
    }
    with ledger.snapshot() as connection:
        found = {name: connection.scalar(query) for name, query in queries.items()}
    return {name: since for name, since in found.items() if since is not None}


def _first_created(state: JobState) -> Select[Any]:
    return select(func.min(JobRow.created_at)).where(JobRow.state == state)


def _state(
    study: Row[Any], jobs: Sequence[Row[Any]], results: _Results, places: tuple[str, ...]
) -> StudyState:
    superseded, withdrawn = results.marks()
    first = min(jobs, key=lambda job: _LEAST_FAR.index(job.state), default=None)
    category = worst([Category(job.category) for job in jobs if job.category])
    is_settled = any(job.category for job in jobs)
    is_unread = is_settled and category is Category.NOT_ANALYSED
    ends = [job.finished_at for job in jobs]
    return StudyState(
        study_uid=study.study_uid,
        instances=study.instances,
        state=first.state if first is not None else "waiting",
        category=category if is_settled else None,
        reason=next((job.reason for job in jobs if job.reason), None) if is_unread else None,
        provider=next((job.provider for job in jobs if job.provider), None),
        attempts=max((job.attempts for job in jobs), default=0),
        detail=next((job.detail for job in jobs if job.detail), None),
        last_arrival_at=study.last_arrival_at,
        finished_at=max(end for end in ends if end) if ends and all(ends) else None,
        highest_score=max((job.highest for job in jobs if job.highest is not None), default=None),
        deliveries=results.deliveries,
        superseded=superseded,
        withdrawn=withdrawn,
        is_held=any(is_held(job.state, job.reason) for job in jobs),
        is_released=any(job.is_released for job in jobs),
        models=tuple(map(_of_model, jobs)),
        places=places,
    )


def _of_model(job: Row[Any]) -> ModelState:
    return ModelState(
        model=job.model_name,
        state=job.state,
        category=job.category,
        reason=job.reason,
        provider=job.provider,
        attempts=job.attempts,
        detail=job.detail,
        finished_at=job.finished_at,
        highest_score=job.highest,
    )
