"""Studies to be fetched from archives: found, retrieved, or failed; a batch can be resumed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from daemon.ledger.ledger import Ledger, upsert
from daemon.ledger.states import PullState
from daemon.ledger.tables import PullRow
from daemon.ledger.waits import AT_ONCE, due

_DETAIL_LENGTH = 255


@dataclass(frozen=True)
class Wanted:
    """A study to be fetched."""

    pull_id: int
    study_uid: str
    attempts: int


@dataclass(frozen=True)
class Pulls:
    """What is fetched, of one ledger."""

    ledger: Ledger

    def found(self, source: str, study_uids: Collection[str], now: datetime) -> int:
        """Note studies that a query found; returns how many were not known yet."""
        new = 0
        with self.ledger.transaction() as connection:
            for study_uid in study_uids:
                statement = upsert(connection, PullRow).values(
                    source=source,
                    study_uid=study_uid,
                    state=PullState.FOUND,
                    attempts=0,
                    not_before=AT_ONCE,
                    created_at=now,
                )
                new += connection.execute(statement.on_conflict_do_nothing()).rowcount
        return new

    def due(self, source: str, now: datetime, limit: int = 1) -> list[Wanted]:
        """Return what is to be fetched, oldest first; `now` is a steady time."""
        query = (
            select(PullRow.id, PullRow.study_uid, PullRow.attempts)
            .where(
                PullRow.source == source,
                PullRow.state == PullState.FOUND,
                due(PullRow.not_before, now),
            )
            .order_by(PullRow.id)
            .limit(limit)
        )
        with self.ledger.snapshot() as connection:
            return [Wanted(*row) for row in connection.execute(query)]

    def retrieved(self, wanted: Wanted, now: datetime) -> None:
        """Settle a study: the archive has sent all of it."""
        self._update(wanted, state=PullState.RETRIEVED, settled_at=now, detail=None)

    def postponed(self, wanted: Wanted, detail: str, not_before: datetime) -> None:
        """Fetch a study later."""
        self._update(wanted, not_before=not_before, detail=detail[:_DETAIL_LENGTH])

    def failed(self, wanted: Wanted, detail: str, now: datetime) -> None:
        """Give a study up."""
        self._update(wanted, state=PullState.FAILED, settled_at=now, detail=detail[:_DETAIL_LENGTH])

    def counts(self, source: str) -> dict[str, int]:
        """Return how many studies of a source are in each state."""
        query = (
            select(PullRow.state, func.count())
            .where(PullRow.source == source)
            .group_by(PullRow.state)
        )
        with self.ledger.snapshot() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def _update(self, wanted: Wanted, **values: object) -> None:
        with self.ledger.transaction() as connection:
            connection.execute(
                update(PullRow)
                .where(PullRow.id == wanted.pull_id)
                .values(attempts=PullRow.attempts + 1, **values)
            )
