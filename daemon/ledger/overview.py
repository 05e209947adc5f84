"""What a person asks the ledger: studies, their outcome, and how far their results have come."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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

_OPEN_PROMISES = (CommitState.WANTED, CommitState.ASKED)


@dataclass(frozen=True)
class StudyState:
    """One study as operators see it; the newest job decides.

    `state` is "waiting" before there is a job; `instances` counts the images that are not replaced.
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
    places: tuple[str, ...] = ()
    """Where its images lie, in a ledger that hosts share."""


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
        results = _results(connection, [row.id for row in rows])
        places = places_of(connection, [row.id for row in rows])
    return [
        replace(
            _state(row, highest.get(row.job_id), results.get(row.id, _Results())),
            places=tuple(places.get(row.id, ())),
        )
        for row in rows
    ]


@dataclass
class _Results:
    """The result objects of one study, oldest first, and where they are."""

    objects: list[Row[Any]] = field(default_factory=list)
    deliveries: dict[str, int] = field(default_factory=dict)

    def marks(self) -> tuple[int, int]:
        """Count what is superseded, and what is withdrawn."""
        standing = since_last_note(self.objects)
        rejected = self.objects[: len(self.objects) - len(standing)]
        superseded = [row for row in standing if row.job_id != standing[-1].job_id]
        return len(superseded), sum(row.kind != WITHDRAWAL for row in rejected)


def _results(connection: Connection, studies: Sequence[int]) -> dict[int, _Results]:
    of_studies = (
        select(JobRow.study_id)
        .join(ResultRow, ResultRow.job_id == JobRow.id)
        .where(JobRow.study_id.in_(studies))
    )
    found: dict[int, _Results] = {}
    objects = of_studies.add_columns(ResultRow.job_id, ResultRow.kind).order_by(ResultRow.id)
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
    newest = (
        select(func.max(JobRow.id))
        .where(JobRow.study_id == StudyRow.id)
        .correlate(StudyRow)
        .scalar_subquery()
    )
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
            JobRow.id.label("job_id"),
            JobRow.state,
            JobRow.category,
            JobRow.reason,
            JobRow.provider,
            JobRow.attempts,
            JobRow.detail,
            JobRow.finished_at,
            JobRow.is_released,
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


def _state(row: Row[Any], highest: float | None, results: _Results) -> StudyState:
    superseded, withdrawn = results.marks()
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
        deliveries=results.deliveries,
        superseded=superseded,
        withdrawn=withdrawn,
        is_held=is_held(row.state, row.reason),
        is_released=bool(row.is_released),
    )
