"""Take over what a place held whose host is gone: its rows become ours, study by study."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, or_, select, update

from daemon.ledger.hosts.holding import is_here
from daemon.ledger.hosts.places import Other, reunite
from daemon.ledger.ledger import Ledger
from daemon.ledger.states import JobState
from daemon.ledger.tables import (
    InstanceCopyRow,
    InstanceRow,
    JobRow,
    PromiseRow,
    ResultRow,
    StudyRow,
)


@dataclass(frozen=True)
class Left:
    """What some studies have at a place: paths relative to its spool and to its outbox."""

    studies: tuple[int, ...]
    inputs: tuple[str, ...]
    results: tuple[str, ...]


@dataclass(frozen=True)
class Adoption:
    """What places of a ledger leave to ours."""

    ledger: Ledger

    def left(self, other: Other, limit: int = 50) -> Left:
        """Return what is left to take over, of some studies; no studies when nothing is."""
        there = other.number
        copies = select(InstanceCopyRow.instance_id).where(InstanceCopyRow.place == there)
        held = or_(InstanceRow.place == there, InstanceRow.id.in_(copies))
        jobs = select(JobRow.study_id).where(_open_at(there))
        results = (
            select(JobRow.study_id)
            .join(ResultRow, ResultRow.job_id == JobRow.id)
            .where(_kept_at(there))
        )
        studies = (
            select(StudyRow.id)
            .where(
                or_(
                    StudyRow.id.in_(select(InstanceRow.study_id).where(held)),
                    StudyRow.id.in_(jobs),
                    StudyRow.id.in_(results),
                )
            )
            .order_by(StudyRow.id)
            .limit(limit)
        )
        with self.ledger.snapshot() as connection:
            some = tuple(connection.scalars(studies))
            inputs = select(InstanceRow.file).where(InstanceRow.study_id.in_(some), held)
            files = (
                select(ResultRow.file)
                .join(JobRow, JobRow.id == ResultRow.job_id)
                .where(JobRow.study_id.in_(some), _kept_at(there))
            )
            return Left(some, tuple(connection.scalars(inputs)), tuple(connection.scalars(files)))

    def take(self, other: Other, studies: Sequence[int], now: datetime) -> None:
        """Make ours what a place holds of studies, once their files lie here; all of it or nothing.

        What its worker was reading is queued again.
        """
        ours, there = self.ledger.place, other.number
        of_studies = InstanceRow.study_id.in_(studies)
        images = select(InstanceRow.id).where(of_studies)
        copies = InstanceCopyRow.instance_id.in_(images)
        first = select(InstanceRow.id).where(of_studies, InstanceRow.place == ours)
        jobs = select(JobRow.id).where(JobRow.study_id.in_(studies))
        with self.ledger.transaction() as connection:
            for statement in (
                delete(InstanceCopyRow).where(
                    InstanceCopyRow.place == there,
                    InstanceCopyRow.instance_id.in_(images.where(is_here(ours))),
                ),
                update(InstanceCopyRow)
                .where(InstanceCopyRow.place == there, copies)
                .values(place=ours),
                update(InstanceRow)
                .where(InstanceRow.place == there, of_studies)
                .values(place=ours),
                delete(InstanceCopyRow).where(
                    InstanceCopyRow.place == ours, InstanceCopyRow.instance_id.in_(first)
                ),
                update(ResultRow)
                .where(_kept_at(there), ResultRow.job_id.in_(jobs))
                .values(place=ours),
                update(JobRow)
                .where(_open_at(there), JobRow.study_id.in_(studies))
                .values(place=ours, state=JobState.QUEUED, worker=None, lease_until=None),
            ):
                connection.execute(statement)
            reunite(connection, ours, now, StudyRow.id.in_(studies))

    def take_promises(self, other: Other) -> int:
        """Report to the peers that asked a place to keep objects; returns how many requests."""
        with self.ledger.transaction() as connection:
            return connection.execute(
                update(PromiseRow)
                .where(PromiseRow.place == other.number)
                .values(place=self.ledger.place)
            ).rowcount


def _open_at(place: int) -> ColumnElement[bool]:
    return (JobRow.place == place) & JobRow.state.in_([JobState.QUEUED, JobState.RUNNING])


def _kept_at(place: int) -> ColumnElement[bool]:
    return (ResultRow.place == place) & ResultRow.purged_at.is_(None)
