"""What destinations have promised to keep: storage commitment as an SCU (PS3.4 annex J).

A delivery for which a promise is wanted counts as settled only once the destination has reported
that it keeps the object; one that it does not keep is sent again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update

from daemon.ledger.deliveries import addressed, deliveries_where
from daemon.ledger.ledger import Ledger
from daemon.ledger.states import CommitState, DeliveryState
from daemon.ledger.tables import DeliveryRow, ResultRow
from daemon.ledger.waits import due
from daemon.records import Delivery

_OPEN = DeliveryRow.commitment.in_([CommitState.WANTED, CommitState.ASKED])


@dataclass(frozen=True)
class Commitments:
    """The promises of the destinations of one ledger."""

    ledger: Ledger

    def wanted(self, destination: str, now: datetime, limit: int = 100) -> list[Delivery]:
        """Return what a destination is to be asked about, reports that never came included.

        Of the results that lie here: they can be sent again. `now` is a steady time.
        """
        with self.ledger.snapshot() as connection:
            return deliveries_where(
                connection,
                DeliveryRow.destination == destination,
                _OPEN,
                due(DeliveryRow.ask_again_at, now),
                ResultRow.place == self.ledger.place,
                limit=limit,
            )

    def asked(
        self, deliveries: Sequence[Delivery], transaction_uid: str, ask_again_at: datetime
    ) -> None:
        """Note a request before it is sent; without a report it is made anew at `ask_again_at`."""
        self._update(
            deliveries,
            commitment=CommitState.ASKED,
            transaction_uid=transaction_uid,
            ask_again_at=ask_again_at,
        )

    def put_off(self, deliveries: Sequence[Delivery], detail: str, not_before: datetime) -> None:
        """Ask later: the destination did not take the request."""
        self._update(
            deliveries,
            commitment=CommitState.WANTED,
            transaction_uid=None,
            ask_again_at=not_before,
            detail=detail,
        )

    def kept(self, transaction_uid: str, sop_instance_uids: Collection[str]) -> int:
        """Note that a destination has taken responsibility; returns for how many objects."""
        with self.ledger.transaction() as connection:
            return connection.execute(
                update(DeliveryRow)
                .where(*_reported(transaction_uid, sop_instance_uids))
                .values(commitment=CommitState.COMMITTED, detail=None)
            ).rowcount

    def not_kept(
        self,
        transaction_uid: str,
        sop_instance_uids: Collection[str],
        detail: str,
        not_before: datetime,
    ) -> int:
        """Send again, from `not_before` on, what a destination does not have; returns how many."""
        with self.ledger.transaction() as connection:
            return connection.execute(
                update(DeliveryRow)
                .where(*_reported(transaction_uid, sop_instance_uids))
                .values(
                    state=DeliveryState.PENDING,
                    settled_at=None,
                    not_before=not_before,
                    commitment=None,
                    transaction_uid=None,
                    ask_again_at=None,
                    detail=detail,
                )
            ).rowcount

    def _update(self, deliveries: Sequence[Delivery], **values: object) -> None:
        with self.ledger.transaction() as connection:
            connection.execute(
                update(DeliveryRow).where(addressed(deliveries), _OPEN).values(**values)
            )


def _reported(
    transaction_uid: str, sop_instance_uids: Collection[str]
) -> tuple[ColumnElement[bool], ...]:
    results = select(ResultRow.id).where(ResultRow.sop_instance_uid.in_(sop_instance_uids))
    return (
        DeliveryRow.transaction_uid == transaction_uid,
        DeliveryRow.commitment == CommitState.ASKED,
        DeliveryRow.result_id.in_(results),
    )
