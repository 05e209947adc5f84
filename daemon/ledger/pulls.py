"""Studies to be fetched from archives: found, retrieved, or failed; a batch can be resumed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import aliased

from daemon.ledger.ledger import Ledger, upsert
from daemon.ledger.states import PullState
from daemon.ledger.tables import InstanceRow, PullRow, StudyRow
from daemon.ledger.waits import AT_ONCE, due

_DETAIL_LENGTH = 255
_OPEN = (PullState.FOUND, PullState.FETCHING)


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

    def claim(self, source: str, now: datetime, lease: timedelta) -> Wanted | None:
        """Take the oldest study that is due and that nobody fetches, from whichever source.

        `now` is a steady time.
        """
        other = aliased(PullRow)
        being_fetched = (
            select(other.id)
            .where(
                other.study_uid == PullRow.study_uid,
                other.state == PullState.FETCHING,
                ~due(other.not_before, now),
            )
            .exists()
        )
        next_one = (
            select(PullRow.id)
            .where(
                PullRow.source == source,
                PullRow.state.in_(_OPEN),
                due(PullRow.not_before, now),
                ~being_fetched,
            )
            .order_by(PullRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # several hosts on PostgreSQL
        )
        take = (
            update(PullRow)
            .where(PullRow.id == next_one.scalar_subquery())
            .values(state=PullState.FETCHING, not_before=now + lease)
            .returning(PullRow.id, PullRow.study_uid, PullRow.attempts)
        )
        with self.ledger.transaction() as connection:
            row = connection.execute(take).one_or_none()
        return None if row is None else Wanted(*row)

    def held(self, study_uid: str) -> set[str]:
        """Return the SOP Instance UIDs of the images of a study that are here."""
        query = (
            select(InstanceRow.sop_instance_uid)
            .join(StudyRow, StudyRow.id == InstanceRow.study_id)
            .where(StudyRow.study_uid == study_uid)
        )
        with self.ledger.snapshot() as connection:
            return set(connection.scalars(query))

    def retrieved(self, wanted: Wanted, now: datetime) -> None:
        """Settle a study: the archive has sent all of it."""
        self._update(wanted, state=PullState.RETRIEVED, settled_at=now, detail=None)

    def known(self, wanted: Wanted, now: datetime) -> None:
        """Settle a study: all that is wanted of it was here already."""
        self._update(wanted, state=PullState.KNOWN, settled_at=now, detail=None)

    def postponed(self, wanted: Wanted, detail: str, not_before: datetime) -> None:
        """Fetch a study later."""
        self._update(
            wanted, state=PullState.FOUND, not_before=not_before, detail=detail[:_DETAIL_LENGTH]
        )

    def put_off(self, wanted: Wanted, detail: str, not_before: datetime) -> None:
        """Fetch a study later because its source is away: this attempt does not count."""
        self._update(
            wanted,
            attempts=PullRow.attempts,
            state=PullState.FOUND,
            not_before=not_before,
            detail=detail[:_DETAIL_LENGTH],
        )

    def failed(self, wanted: Wanted, detail: str, now: datetime) -> None:
        """Give a study up."""
        self._update(wanted, state=PullState.FAILED, settled_at=now, detail=detail[:_DETAIL_LENGTH])

    def left(self, source: str) -> int:
        """Return how many studies of a source are not settled."""
        counts = self.counts(source)
        return sum(counts.get(state, 0) for state in _OPEN)

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
                .values({"attempts": PullRow.attempts + 1} | values)
            )
