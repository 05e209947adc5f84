"""The state folders on one ledger: their heartbeats, their files, and how files meet."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    SQLColumnExpression,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.orm import aliased

from daemon.ledger.hosts.holding import held_by, is_here, label, present
from daemon.ledger.ledger import Ledger
from daemon.ledger.notes import Noted, Notes, set_note
from daemon.ledger.states import DeliveryState, JobState
from daemon.ledger.tables import (
    DeliveryRow,
    InstanceCopyRow,
    InstanceRow,
    JobInputRow,
    JobRow,
    PlaceRow,
    ResultRow,
    StudyRow,
)
from daemon.signals import Signal

_AT_ONCE = 500
"""Rows that are looked at by one statement."""


@dataclass(frozen=True)
class PlaceState:
    """One place as operators see it: since when it is silent, and what only it can do.

    `uid` is None for files that lie at no place that the ledger knows.
    """

    uid: str | None
    name: str
    seen_at: datetime | None
    is_ours: bool
    images: int
    jobs: int
    deliveries: int


@dataclass(frozen=True)
class Other:
    """A place that is not ours."""

    number: int
    uid: str
    label: str
    seen_at: datetime | None


@dataclass(frozen=True)
class Places:
    """The places of one ledger."""

    ledger: Ledger

    def beat(self, now: datetime, said: datetime | None = None) -> bool:
        """Say that the daemon of this place lives, and note it if another one has said so for it.

        Parameters
        ----------
        now : datetime
        said : datetime, optional
            What our daemon said last.

        Returns
        -------
        bool
            True if another one has said so since.
        """
        ours = PlaceRow.id == self.ledger.place
        with self.ledger.transaction() as connection:
            before = connection.scalar(select(PlaceRow.seen_at).where(ours))
            connection.execute(update(PlaceRow).where(ours).values(seen_at=now))
            is_double = said not in (None, before)
            if is_double:
                set_note(connection, self._copied(now))
        return is_double

    def no_copy(self, now: datetime) -> None:
        """Note that no other daemon has a copy of this place, as far as is known."""
        Notes(self.ledger).set(self._copied(now), is_so=False)

    def _copied(self, now: datetime) -> Noted:
        return Noted(Signal.STATE_FOLDER_COPIED, now, subject=str(self.ledger.place))

    def others(self) -> list[Other]:
        """Return the other places, with their last word that they live."""
        query = select(PlaceRow.__table__).where(PlaceRow.id != self.ledger.place)
        with self.ledger.snapshot() as connection:
            return [
                Other(row.id, row.uid, label(row.name, row.uid), row.seen_at)
                for row in connection.execute(query)
            ]

    def states(self, ours: str | None = None) -> list[PlaceState]:
        """Return the places of a ledger that hosts share; none where only one folder has it.

        Parameters
        ----------
        ours : str, optional
            The identity of this host's state folder.
        """
        with self.ledger.snapshot() as connection:
            rows = connection.execute(select(PlaceRow.__table__).order_by(PlaceRow.id)).all()
            if not rows:
                return []
            images = held_by(connection, InstanceRow.id.is_not(None))
            jobs = _counted(connection, JobRow.place, _open_jobs())
            deliveries = _counted(connection, ResultRow.place, _open_deliveries())
        known: list[tuple[int | None, str | None, str, datetime | None]] = [
            (row.id, row.uid, row.name, row.seen_at) for row in rows
        ]
        if images[None] or jobs.get(None) or deliveries.get(None):
            known.append((None, None, "(no place)", None))
        return [
            PlaceState(
                uid=uid,
                name=name,
                seen_at=seen_at,
                is_ours=uid is not None and uid == ours,
                images=images[number],
                jobs=jobs.get(number, 0),
                deliveries=deliveries.get(number, 0),
            )
            for number, uid, name, seen_at in known
        ]

    def take_over(self, silent: Collection[int]) -> int:
        """Read here what silent places were to read and this one has as well; returns how many."""
        elsewhere = (
            select(JobInputRow.job_id)
            .join(InstanceRow, InstanceRow.id == JobInputRow.instance_id)
            .where(JobInputRow.job_id == JobRow.id, ~is_here(self.ledger.place))
        )
        ours = (
            update(JobRow)
            .where(JobRow.state == JobState.QUEUED, JobRow.place.in_(silent), ~elsewhere.exists())
            .values(place=self.ledger.place)
        )
        with self.ledger.transaction() as connection:
            return connection.execute(ours).rowcount

    def reunite(self, now: datetime) -> int:
        """Look again at studies of which an image was elsewhere, and all lies here now.

        Returns
        -------
        int
            Of how many studies.
        """
        with self.ledger.transaction() as connection:
            return reunite(connection, self.ledger.place, now, StudyRow.id.is_not(None))

    def known_elsewhere(self, files: Sequence[str]) -> int:
        """Note files that lie here, too, and that the ledger knows of other places.

        They are no arrivals: other content may have taken their place since.

        Parameters
        ----------
        files : sequence of str
            Paths relative to the spool.

        Returns
        -------
        int
            How many of them the ledger knows.
        """
        noted = 0
        for start in range(0, len(files), _AT_ONCE):
            some = InstanceRow.file.in_(files[start : start + _AT_ONCE])
            known = select(InstanceRow.id, literal(self.ledger.place)).where(
                some, ~is_here(self.ledger.place)
            )
            with self.ledger.transaction() as connection:
                new = insert(InstanceCopyRow).from_select(["instance_id", "place"], known)
                added = connection.scalars(new.returning(InstanceCopyRow.instance_id))
                noted += len(added.all())
        return noted

    def take_unplaced(
        self, has_input: Callable[[str], bool], has_result: Callable[[str], bool]
    ) -> int:
        """Take what a ledger of before several hosts knew no place of, where its files are here.

        Parameters
        ----------
        has_input, has_result : callable
            Say of a path, relative to the spool and to the outbox, whether the file is there.

        Returns
        -------
        int
            How many files are ours.
        """
        inputs = self._take(InstanceRow, has_input)
        results = self._take(ResultRow, has_result)
        if inputs or results:
            with self.ledger.transaction() as connection:
                self._take_jobs(connection)
        return inputs + results

    def _take(self, table: type[InstanceRow | ResultRow], exists: Callable[[str], bool]) -> int:
        """Take the rows without a place whose file exists."""
        last, taken = 0, 0
        while True:
            some = (
                select(table.id, table.file)
                .where(table.place.is_(None), table.id > last)
                .order_by(table.id)
                .limit(_AT_ONCE)
            )
            with self.ledger.transaction() as connection:
                rows = connection.execute(some).all()
                ours = [row.id for row in rows if exists(row.file)]
                connection.execute(
                    update(table)
                    .where(table.id.in_(ours), table.place.is_(None))
                    .values(place=self.ledger.place)
                )
            taken += len(ours)
            if not rows:
                return taken
            last = rows[-1].id

    def _take_jobs(self, connection: Connection) -> None:
        """Take the jobs without a place of which any image lies here."""
        here = (
            select(JobInputRow.job_id)
            .join(InstanceRow, InstanceRow.id == JobInputRow.instance_id)
            .where(is_here(self.ledger.place))
        )
        connection.execute(
            update(JobRow)
            .where(JobRow.place.is_(None), JobRow.id.in_(here))
            .values(place=self.ledger.place)
        )


def reunite(
    connection: Connection, place: int | None, now: datetime, which: ColumnElement[bool]
) -> int:
    """Look again at those studies whose newest job lacked an image, and that are whole here now."""
    newer = aliased(JobRow)
    is_newest = (
        ~select(newer.id).where(newer.study_id == JobRow.study_id, newer.id > JobRow.id).exists()
    )
    lacked = (
        select(JobRow.id)
        .join(JobInputRow, JobInputRow.job_id == JobRow.id)
        .where(JobRow.study_id == StudyRow.id, JobInputRow.is_elsewhere, is_newest)
    )
    still_elsewhere = select(InstanceRow.id).where(present(StudyRow.id), ~is_here(place))
    again = (
        update(StudyRow)
        .where(which, StudyRow.waiting_since.is_(None))
        .where(lacked.exists(), ~still_elsewhere.exists())
        .values(waiting_since=now)
    )
    return connection.execute(again).rowcount


def _open_jobs() -> Select[int]:
    unread = [JobState.QUEUED, JobState.RUNNING, JobState.QUARANTINED]
    return select(func.count()).where(JobRow.state.in_(unread))


def _open_deliveries() -> Select[int]:
    unsent = [DeliveryState.PENDING, DeliveryState.PARKED]
    return (
        select(func.count())
        .join_from(DeliveryRow, ResultRow, ResultRow.id == DeliveryRow.result_id)
        .where(DeliveryRow.state.in_(unsent))
    )


def _counted(
    connection: Connection, place: SQLColumnExpression[int | None], numbers: Select[int]
) -> dict[int | None, int]:
    """Return numbers by place."""
    rows = connection.execute(numbers.add_columns(place).group_by(place))
    return {row[1]: row[0] for row in rows}
