"""What it takes to withdraw a study's results: which stand, and the note that rejects them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from daemon.ledger.inputs import WITHDRAWAL
from daemon.ledger.ledger import Ledger
from daemon.ledger.settle import write_result
from daemon.ledger.states import DeliveryState
from daemon.ledger.tables import DeliveryRow, JobRow, ResultRow
from daemon.records import ResultFile


@dataclass(frozen=True)
class Standing:
    """The results of a study that no note rejects yet, oldest first, and their newest job."""

    job_id: int
    results: tuple[ResultFile, ...]


@dataclass(frozen=True)
class Withdrawals:
    """Rejection notes in one ledger."""

    ledger: Ledger

    def standing(self, study_id: int) -> Standing | None:
        """Return what can be withdrawn; None when nothing stands."""
        of_study = (
            select(ResultRow.__table__)
            .join(JobRow, JobRow.id == ResultRow.job_id)
            .where(JobRow.study_id == study_id)
        )
        last_note = (
            select(func.coalesce(func.max(ResultRow.id), 0))
            .join(JobRow, JobRow.id == ResultRow.job_id)
            .where(JobRow.study_id == study_id, ResultRow.kind == WITHDRAWAL)
            .scalar_subquery()
        )
        with self.ledger.snapshot() as connection:
            rows = connection.execute(
                of_study.where(ResultRow.id > last_note).order_by(ResultRow.id)
            ).all()
        if not rows:
            return None
        results = tuple(
            ResultFile(
                row.kind,
                row.sop_class_uid,
                row.sop_instance_uid,
                row.series_instance_uid,
                row.transfer_syntax_uid,
                row.file,
            )
            for row in rows
        )
        return Standing(job_id=rows[-1].job_id, results=results)

    def withdraw(
        self, standing: Standing, note: ResultFile, destinations: Sequence[str], now: datetime
    ) -> int:
        """Send the note to every destination, and what it rejects to none any more.

        Returns
        -------
        int
            How many objects were still on their way and are not sent.
        """
        rejected = [one.sop_instance_uid for one in standing.results]
        results = select(ResultRow.id).where(ResultRow.sop_instance_uid.in_(rejected))
        stop = (
            update(DeliveryRow)
            .where(
                DeliveryRow.result_id.in_(results),
                DeliveryRow.state.in_(
                    [DeliveryState.PENDING, DeliveryState.PARKED, DeliveryState.SKIPPED]
                ),
            )
            .values(state=DeliveryState.WITHDRAWN, settled_at=now)
        )
        with self.ledger.transaction() as connection:
            stopped = connection.execute(stop).rowcount
            write_result(connection, standing.job_id, note, destinations, now)
            return stopped
