"""What peers asked us to keep: storage commitment as an SCP (PS3.4 annex J).

A request is in the ledger before it is answered, and stays until the peer has our report.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from daemon.ledger.hosts.holding import is_here
from daemon.ledger.ledger import Ledger, upsert
from daemon.ledger.tables import InstanceRow, PromiseItemRow, PromiseRow
from daemon.ledger.waits import AT_ONCE, due

_AT_ONCE = 500
"""Instances looked up by one statement: databases limit the number of parameters."""


@dataclass(frozen=True)
class Promise:
    """A peer's request; `items` maps SOP Instance UID to SOP Class UID."""

    promise_id: int
    calling_ae: str
    transaction_uid: str
    attempts: int
    created_at: datetime
    items: Mapping[str, str]


@dataclass(frozen=True)
class Promises:
    """The requests of one ledger."""

    ledger: Ledger

    def requested(
        self, calling_ae: str, transaction_uid: str, items: Mapping[str, str], now: datetime
    ) -> None:
        """Note a request durably, to be reported on at once; a repeated one is known."""
        with self.ledger.transaction() as connection:
            new = upsert(connection, PromiseRow).values(
                calling_ae=calling_ae,
                transaction_uid=transaction_uid,
                attempts=0,
                not_before=AT_ONCE,
                created_at=now,
                place=self.ledger.place,
            )
            promise_id = connection.scalar(new.on_conflict_do_nothing().returning(PromiseRow.id))
            if promise_id is None:
                return
            connection.execute(
                insert(PromiseItemRow),
                [
                    {"promise_id": promise_id, "sop_instance_uid": uid, "sop_class_uid": sop_class}
                    for uid, sop_class in items.items()
                ],
            )

    def due(self, now: datetime, limit: int = 20) -> list[Promise]:
        """Return the requests made here that are to be reported on, oldest first.

        `now` is a steady time.
        """
        query = (
            select(PromiseRow.__table__)
            .where(due(PromiseRow.not_before, now), PromiseRow.place == self.ledger.place)
            .order_by(PromiseRow.id)
            .limit(limit)
        )
        with self.ledger.snapshot() as connection:
            return [
                Promise(
                    promise_id=row.id,
                    calling_ae=row.calling_ae,
                    transaction_uid=row.transaction_uid,
                    attempts=row.attempts,
                    created_at=row.created_at,
                    items={
                        item.sop_instance_uid: item.sop_class_uid
                        for item in connection.execute(
                            select(PromiseItemRow.__table__).where(
                                PromiseItemRow.promise_id == row.id
                            )
                        )
                    },
                )
                for row in connection.execute(query).all()
            ]

    def keep(
        self, items: Mapping[str, str], exists: Callable[[str], bool], now: datetime
    ) -> set[str]:
        """Take responsibility for what is here, so that it is never purged.

        What lies in the state folder of another host cannot be seen, and is not promised.

        Parameters
        ----------
        items : mapping
            SOP Instance UID to SOP Class UID.
        exists : callable
            Says of a path, relative to the spool, whether the file is on the disk.
        now : datetime

        Returns
        -------
        set of str
            The SOP Instance UIDs that are durably kept under that SOP class.
        """
        kept: set[str] = set()
        uids = sorted(items)
        with self.ledger.transaction() as connection:
            for start in range(0, len(uids), _AT_ONCE):
                some = uids[start : start + _AT_ONCE]
                found = connection.execute(
                    select(InstanceRow.__table__).where(
                        InstanceRow.sop_instance_uid.in_(some), is_here(self.ledger.place)
                    )
                ).all()
                there = [
                    row
                    for row in found
                    if items[row.sop_instance_uid] == row.sop_class_uid and exists(row.file)
                ]
                kept.update(row.sop_instance_uid for row in there)
                connection.execute(
                    update(InstanceRow)
                    .where(InstanceRow.id.in_([row.id for row in there]))
                    .values(committed_at=now)
                )
        return kept

    def settled(self, promise: Promise) -> None:
        """Forget a request: the peer has the report, or it was given up."""
        with self.ledger.transaction() as connection:
            for row, column in (
                (PromiseItemRow, PromiseItemRow.promise_id),
                (PromiseRow, PromiseRow.id),
            ):
                connection.execute(delete(row).where(column == promise.promise_id))

    def put_off(self, promises: Sequence[Promise], not_before: datetime) -> None:
        """Report later: the peer did not take the report."""
        with self.ledger.transaction() as connection:
            connection.execute(
                update(PromiseRow)
                .where(PromiseRow.id.in_([promise.promise_id for promise in promises]))
                .values(attempts=PromiseRow.attempts + 1, not_before=not_before)
            )
