"""Which files may go: those of studies that are settled everywhere, and no others.

Settled means: read (or skipped by a person), every result at every destination delivered and, where
that is asked for, promised to be kept. What waits, failed, is parked, is held for a person, or was
promised to a peer stays. A study that was held and read later is held no more.

Each host removes what lies in its own state folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update
from sqlalchemy.orm import aliased

from daemon.ledger.hosts.holding import is_here
from daemon.ledger.ledger import Ledger
from daemon.ledger.states import CommitState, DeliveryState, JobState
from daemon.ledger.tables import (
    DeliveryRow,
    InstanceCopyRow,
    InstanceRow,
    JobInputRow,
    JobRow,
    ResultRow,
    StudyRow,
)
from daemon.records import HELD

_NEWER = aliased(JobRow)
_UNSETTLED_DELIVERY = or_(
    DeliveryRow.state.in_([DeliveryState.PENDING, DeliveryState.PARKED]),
    DeliveryRow.commitment.in_([CommitState.WANTED, CommitState.ASKED]),
)
_UNSETTLED_JOB = or_(
    JobRow.state.in_([JobState.QUEUED, JobState.RUNNING, JobState.QUARANTINED]),
    (JobRow.state == JobState.DONE)
    & JobRow.reason.in_(HELD)
    & ~select(_NEWER.id)
    .where(
        _NEWER.study_id == JobRow.study_id,
        _NEWER.model_name == JobRow.model_name,
        _NEWER.id > JobRow.id,
    )
    .exists(),
)


@dataclass(frozen=True)
class OldFiles:
    """Files of one study or result; paths relative to their folder."""

    row_id: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class Retention:
    """The rule, asked of one ledger."""

    ledger: Ledger

    def newest_arrival(self) -> datetime | None:
        """Return when the last image came, by the wall clock of then; None when none ever did."""
        with self.ledger.snapshot() as connection:
            return connection.scalar(select(func.max(StudyRow.last_arrival_at)))

    def old_inputs(self, before: datetime, limit: int = 100) -> list[OldFiles]:
        """Return the received files of settled studies without arrivals since `before`."""
        here = is_here(self.ledger.place)
        unpurged = select(InstanceRow.study_id).where(here)  # few of many
        studies = (
            select(StudyRow.id)
            .where(StudyRow.id.in_(unpurged))
            .where(StudyRow.last_arrival_at < before, *_settled_study())
            .order_by(StudyRow.last_arrival_at)
            .limit(limit)
        )
        with self.ledger.snapshot() as connection:
            return [
                OldFiles(
                    study_id,
                    tuple(
                        connection.scalars(
                            select(InstanceRow.file).where(InstanceRow.study_id == study_id, here)
                        )
                    ),
                )
                for study_id in connection.scalars(studies).all()
            ]

    def forget_inputs(self, studies: Sequence[OldFiles]) -> None:
        """Remove the rows of files that are gone; what was read from them stays.

        The same images, when they are sent again, are received as new and, read already with the
        same recipe, make no second job; content that had replaced other content is read once more.
        """
        for study in studies:
            mine = (InstanceRow.study_id == study.row_id, InstanceRow.file.in_(study.files))
            last = (*mine, InstanceRow.place == self.ledger.place)
            ids = select(InstanceRow.id).where(*last)
            with self.ledger.transaction() as connection:
                if self.ledger.place is not None:
                    _leave_to_others(connection, self.ledger.place, *mine)
                connection.execute(delete(JobInputRow).where(JobInputRow.instance_id.in_(ids)))
                connection.execute(delete(InstanceRow).where(*last))

    def old_results(self, before: datetime, limit: int = 500) -> list[OldFiles]:
        """Return the result files that were settled everywhere before `before`."""
        open_or_young = (
            select(DeliveryRow.id)
            .where(
                DeliveryRow.result_id == ResultRow.id,
                or_(_UNSETTLED_DELIVERY, DeliveryRow.settled_at >= before),
            )
            .exists()
        )
        query = (
            select(ResultRow.id, ResultRow.file)
            .join(JobRow, JobRow.id == ResultRow.job_id)
            .where(ResultRow.purged_at.is_(None), ResultRow.place == self.ledger.place)
            .where(JobRow.finished_at < before, ~open_or_young)
            .order_by(ResultRow.id)
            .limit(limit)
        )
        with self.ledger.snapshot() as connection:
            return [OldFiles(row.id, (row.file,)) for row in connection.execute(query)]

    def forget_results(self, results: Sequence[OldFiles], now: datetime) -> None:
        """Note that result files are gone; their rows stay, so that later results refer to them."""
        with self.ledger.transaction() as connection:
            connection.execute(
                update(ResultRow)
                .where(ResultRow.id.in_([result.row_id for result in results]))
                .values(purged_at=now)
            )


def _leave_to_others(connection: Connection, place: int, *which: ColumnElement[bool]) -> None:
    """Let instances lie no longer at a place but where else they do, if anywhere."""
    mine = select(InstanceRow.id).where(*which)
    copies = InstanceCopyRow.instance_id.in_(mine)
    connection.execute(delete(InstanceCopyRow).where(copies, InstanceCopyRow.place == place))
    other = select(func.min(InstanceCopyRow.place)).where(
        InstanceCopyRow.instance_id == InstanceRow.id
    )
    connection.execute(
        update(InstanceRow)
        .where(*which, InstanceRow.place == place)
        .values(place=func.coalesce(other.scalar_subquery(), place))
    )
    now_first = InstanceRow.id == InstanceCopyRow.instance_id
    connection.execute(
        delete(InstanceCopyRow).where(
            copies,
            select(InstanceRow.id)
            .where(now_first, InstanceRow.place == InstanceCopyRow.place)
            .exists(),
        )
    )


def _settled_study() -> tuple[ColumnElement[bool], ...]:
    jobs = select(JobRow.id).where(JobRow.study_id == StudyRow.id)
    deliveries = (
        select(DeliveryRow.id)
        .join(ResultRow, ResultRow.id == DeliveryRow.result_id)
        .join(JobRow, JobRow.id == ResultRow.job_id)
        .where(JobRow.study_id == StudyRow.id, _UNSETTLED_DELIVERY)
    )
    images = select(InstanceRow.id).where(InstanceRow.study_id == StudyRow.id)
    promised = images.where(InstanceRow.committed_at.is_not(None))
    present = images.where(InstanceRow.replaced.is_(False))
    return (
        StudyRow.waiting_since.is_(None),
        or_(jobs.exists(), ~present.exists()),
        ~jobs.where(_UNSETTLED_JOB).exists(),
        ~deliveries.exists(),
        ~promised.exists(),
    )
