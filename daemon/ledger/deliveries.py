"""Deliveries: every transition of one result at one destination is one method."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, Update, select, update

from daemon.ledger.ledger import Ledger
from daemon.ledger.states import CommitState, DeliveryState
from daemon.ledger.tables import DeliveryRow, JobRow, ResultRow, StudyRow
from daemon.ledger.waits import AT_ONCE, due
from daemon.records import Delivery, ResultFile

DETAIL_LENGTH = 255
_COLUMNS = (
    DeliveryRow.id,
    DeliveryRow.destination,
    DeliveryRow.attempts,
    DeliveryRow.created_at,
    ResultRow.kind,
    ResultRow.sop_class_uid,
    ResultRow.sop_instance_uid,
    ResultRow.series_instance_uid,
    ResultRow.transfer_syntax_uid,
    ResultRow.file,
    StudyRow.study_uid,
)


@dataclass(frozen=True)
class Deliveries:
    """The outbox of one ledger."""

    ledger: Ledger

    def due(self, destination: str, now: datetime, limit: int = 100) -> list[Delivery]:
        """Return what is to be sent from here to a destination: urgent first, then oldest.

        `now` is a steady time.
        """
        with self.ledger.snapshot() as connection:
            return deliveries_where(
                connection,
                DeliveryRow.state == DeliveryState.PENDING,
                DeliveryRow.destination == destination,
                due(DeliveryRow.not_before, now),
                ResultRow.place == self.ledger.place,
                limit=limit,
            )

    def delivered(
        self, delivery: Delivery, status: int, now: datetime, *, to_be_promised: bool = False
    ) -> None:
        """Settle a delivery: the destination keeps the object.

        With `to_be_promised` it is settled for good only when the destination has promised to
        keep it (`daemon.ledger.commitments`).
        """
        self._write(
            _pending(delivery).values(
                state=DeliveryState.DELIVERED,
                attempts=DeliveryRow.attempts + 1,
                settled_at=now,
                status=status,
                detail=None,
                commitment=CommitState.WANTED if to_be_promised else None,
                ask_again_at=AT_ONCE if to_be_promised else None,
            )
        )

    def postponed(
        self, delivery: Delivery, status: int | None, detail: str, not_before: datetime
    ) -> None:
        """Put off a delivery after no answer or a passing refusal, until `not_before`."""
        self._write(
            _pending(delivery).values(
                attempts=DeliveryRow.attempts + 1,
                not_before=not_before,
                status=status,
                detail=detail[:DETAIL_LENGTH],
            )
        )

    def parked(self, delivery: Delivery, status: int | None, detail: str, now: datetime) -> None:
        """Set a delivery aside, refused for good or given up, until a person decides."""
        self._write(
            _pending(delivery).values(
                state=DeliveryState.PARKED,
                attempts=DeliveryRow.attempts + 1,
                settled_at=now,
                status=status,
                detail=detail[:DETAIL_LENGTH],
            )
        )

    def retry_parked(self, destination: str, now: datetime) -> int:
        """Send everything that is parked for a destination again; returns how many objects."""
        again = (
            update(DeliveryRow)
            .where(
                DeliveryRow.state == DeliveryState.PARKED, DeliveryRow.destination == destination
            )
            .values(
                state=DeliveryState.PENDING, created_at=now, not_before=AT_ONCE, settled_at=None
            )
        )
        with self.ledger.transaction() as connection:
            return connection.execute(again).rowcount

    def _write(self, statement: Update) -> None:
        with self.ledger.transaction() as connection:
            connection.execute(statement)


def deliveries_where(
    connection: Connection, *conditions: ColumnElement[bool], limit: int
) -> list[Delivery]:
    """Return the deliveries that fulfil the conditions: urgent studies first, then oldest."""
    query = (
        select(*_COLUMNS)
        .join(ResultRow, ResultRow.id == DeliveryRow.result_id)
        .join(JobRow, JobRow.id == ResultRow.job_id)
        .join(StudyRow, StudyRow.id == JobRow.study_id)
        .where(*conditions)
        .order_by(JobRow.priority, DeliveryRow.id)
        .limit(limit)
    )
    return [_delivery(row) for row in connection.execute(query).mappings()]


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        delivery_id=row["id"],
        destination=row["destination"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        study_uid=row["study_uid"],
        result=ResultFile(
            kind=row["kind"],
            sop_class_uid=row["sop_class_uid"],
            sop_instance_uid=row["sop_instance_uid"],
            series_instance_uid=row["series_instance_uid"],
            transfer_syntax_uid=row["transfer_syntax_uid"],
            file=row["file"],
        ),
    )


def addressed(deliveries: Sequence[Delivery]) -> ColumnElement[bool]:
    """Return the condition that names these deliveries."""
    return DeliveryRow.id.in_([delivery.delivery_id for delivery in deliveries])


def _pending(delivery: Delivery) -> Update:
    return update(DeliveryRow).where(
        DeliveryRow.id == delivery.delivery_id, DeliveryRow.state == DeliveryState.PENDING
    )
