"""What a person asks the ledger: studies, their outcome, and how far their results have come."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select

from daemon.ledger.ledger import Ledger
from daemon.ledger.states import CommitState, DeliveryState, JobState
from daemon.ledger.tables import (
    DeliveryRow,
    InstanceRow,
    JobRow,
    ResultRow,
    ScoreRow,
    StudyRow,
)

_OPEN_PROMISES = (CommitState.WANTED, CommitState.ASKED)


@dataclass(frozen=True)
class StudyState:
    """One study as operators see it; the newest job decides.

    `state` is "waiting" before there is a job. Deliveries count objects at destinations.
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


def study_states(ledger: Ledger, limit: int = 50) -> list[StudyState]:
    """Return the studies that had the latest arrivals, newest first."""
    with ledger.snapshot() as connection:
        rows = connection.execute(_latest_studies(limit)).all()
        jobs = [row.job_id for row in rows if row.job_id is not None]
        scores = connection.execute(
            select(ScoreRow.job_id, func.max(ScoreRow.probability).label("highest"))
            .where(ScoreRow.job_id.in_(jobs))
            .group_by(ScoreRow.job_id)
        )
        highest = {row.job_id: row.highest for row in scores}
        sent: dict[int, dict[str, int]] = {}
        for job_id, state, number in connection.execute(
            select(ResultRow.job_id, DeliveryRow.state, func.count())
            .join(DeliveryRow, DeliveryRow.result_id == ResultRow.id)
            .where(ResultRow.job_id.in_(jobs))
            .group_by(ResultRow.job_id, DeliveryRow.state)
        ):
            sent.setdefault(job_id, {})[state] = number
    return [_state(row, highest.get(row.job_id), sent.get(row.job_id, {})) for row in rows]


def _latest_studies(limit: int) -> Select[Any]:
    newest = (
        select(func.max(JobRow.id))
        .where(JobRow.study_id == StudyRow.id)
        .correlate(StudyRow)
        .scalar_subquery()
    )
    instances = select(func.count()).where(InstanceRow.study_id == StudyRow.id).scalar_subquery()
    return (
        select(
            StudyRow.study_uid,
            StudyRow.last_arrival_at,
            instances.label("instances"),
            JobRow.id.label("job_id"),
            JobRow.state,
            JobRow.category,
            JobRow.reason,
            JobRow.provider,
            JobRow.attempts,
            JobRow.detail,
            JobRow.finished_at,
        )
        .outerjoin(JobRow, JobRow.id == newest)
        .order_by(StudyRow.last_arrival_at.desc())
        .limit(limit)
    )


def backlog(ledger: Ledger) -> dict[str, int]:
    """Return how many jobs are in each state, how many deliveries, and how many promises wait."""
    with ledger.snapshot() as connection:
        jobs = connection.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
        counts = {f"jobs {state}": number for state, number in jobs}
        deliveries = connection.execute(
            select(DeliveryRow.state, func.count())
            .where(DeliveryRow.state != DeliveryState.DELIVERED)
            .group_by(DeliveryRow.state)
        )
        counts.update({f"deliveries {state}": number for state, number in deliveries})
        promises = connection.execute(
            select(DeliveryRow.commitment, func.count())
            .where(DeliveryRow.commitment.in_(_OPEN_PROMISES))
            .group_by(DeliveryRow.commitment)
        )
        counts.update({f"commitments {state}": number for state, number in promises})
    return counts


def oldest(ledger: Ledger) -> dict[str, datetime]:
    """Return since when the oldest of each kind of work waits; what has no work is left out."""
    queries = {
        "waiting studies": select(func.min(StudyRow.waiting_since)),
        "queued jobs": select(func.min(JobRow.created_at)).where(JobRow.state == JobState.QUEUED),
        "running jobs": select(func.min(JobRow.created_at)).where(JobRow.state == JobState.RUNNING),
        "pending deliveries": select(func.min(DeliveryRow.created_at)).where(
            DeliveryRow.state == DeliveryState.PENDING
        ),
        "open commitments": select(func.min(DeliveryRow.settled_at)).where(
            DeliveryRow.commitment.in_(_OPEN_PROMISES)
        ),
    }
    with ledger.snapshot() as connection:
        found = {name: connection.scalar(query) for name, query in queries.items()}
    return {name: since for name, since in found.items() if since is not None}


def _state(row: Row[tuple[object, ...]], highest: float | None, sent: dict[str, int]) -> StudyState:
    return StudyState(
        study_uid=row.study_uid,
        instances=row.instances,
        state=row.state or "waiting",
        category=row.category,
        reason=row.reason,
        provider=row.provider,
        attempts=row.attempts or 0,
        detail=row.detail,
        last_arrival_at=row.last_arrival_at,
        finished_at=row.finished_at,
        highest_score=highest,
        deliveries=sent,
    )
