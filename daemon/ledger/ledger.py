"""Open the ledger: connections, transactions, and what intake asks of it.

SQLite by default, PostgreSQL where several hosts share the work: the same tables and statements.
On SQLite every commit is on the disk when it returns (WAL, synchronous=FULL), and whatever may
write begins with BEGIN IMMEDIATE, because a deferred transaction that reads before it writes fails
at once when another writer was faster.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daemon.errors import Misconfigured, Unavailable
from daemon.ledger.arrivals import Arrivals
from daemon.ledger.hosts.holding import is_here, present, register
from daemon.ledger.tables import Base, CounterRow, InstanceRow, StudyRow, insert_into
from daemon.ledger.trouble import in_words, passes
from daemon.place import Home, Place
from daemon.records import Arrival, Receipt, WaitingStudy
from daemon.settings import LedgerPlace
from daemon.signals import Signal

BUSY_TIMEOUT_S = 30.0
IDENTITY = "identity of this ledger"
"""Among the counters, and none: see `daemon.ledger.sameness`."""
_READ_ONLY = "wristd_read_only"
_NO_CONNECTION_FREE = "ledger: every connection waits for an answer"


class Ledger:
    """The database behind one engine; safe to share between threads.

    Parameters
    ----------
    where : Path or str
        A SQLite file, or a SQLAlchemy URL ("postgresql+psycopg://...").
    busy_timeout_s : float
        How long a SQLite writer waits for another.
    migrate : bool
        Bring the schema up to date; False where another process of this daemon just did.
    home : Home or None
        The state folder whose files this is about, in a ledger that hosts share; `place` is its
        number there. None where the ledger has its state folder for itself.

    Raises
    ------
    Misconfigured
        It cannot be opened, is no ledger, or was made by a newer version.
    Unavailable
        The server does not answer now, or another process keeps the file locked.
    """

    def __init__(
        self,
        where: Path | str,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        *,
        migrate: bool = True,
        home: Home | None = None,
    ) -> None:
        url = f"sqlite:///{where}" if isinstance(where, Path) else where
        self.engine = _engine(url, busy_timeout_s)
        self.file = Path(self.engine.url.database or "") if url.startswith("sqlite") else None
        self.place: int | None = None
        try:
            with ExitStack() as undo:
                undo.callback(self.engine.dispose)
                if migrate:
                    _bring_up_to_date(self.engine)
                if home is not None:
                    with self.engine.begin() as connection:
                        self.place = register(connection, home)
                undo.pop_all()
        except DBAPIError as error:
            if passes(error):
                raise Unavailable(f"ledger: {in_words(error.orig)}") from error
            raise Misconfigured(
                f"ledger {make_url(url).render_as_string()}: {error.orig}; "
                "if it is damaged move it away and restore a backup"
            ) from error
        self._arrivals = Arrivals(self.engine, self.place)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give one connection whose work is committed, durably, or not done at all.

        Raises
        ------
        Unavailable
            The database does not take it now (disk full, locked, gone).
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise Unavailable(f"ledger: {in_words(error.orig)}") from error
        except PoolTimeout as error:
            raise Unavailable(_NO_CONNECTION_FREE) from error

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give one connection that only reads, without waiting for writers.

        All its statements see the same state: PostgreSQL must be asked for that.

        Raises
        ------
        Unavailable
            The database does not answer now.
        """
        try:
            with self.engine.connect() as connection:
                connection = connection.execution_options(**{_READ_ONLY: True})
                if self.file is None:
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise Unavailable(f"ledger: {in_words(error.orig)}") from error
        except PoolTimeout as error:
            raise Unavailable(_NO_CONNECTION_FREE) from error

    def record(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Write arrivals in one durable transaction; one receipt for each, in their order."""
        return self._arrivals.record(arrivals)

    def waiting(self) -> list[WaitingStudy]:
        """Return the studies that have instances no job has yet, oldest first.

        Only those of which anything lies here, or nothing is left anywhere.
        """
        query = (
            select(
                StudyRow.id, StudyRow.study_uid, StudyRow.waiting_since, StudyRow.last_arrival_at
            )
            .where(StudyRow.waiting_since.is_not(None))
            .order_by(StudyRow.waiting_since)
        )
        if self.place is not None:
            left = select(InstanceRow.id).where(present(StudyRow.id))
            query = query.where(or_(left.where(is_here(self.place)).exists(), ~left.exists()))
        with self.snapshot() as connection:
            return [
                WaitingStudy(row.id, row.study_uid, row.waiting_since, row.last_arrival_at)
                for row in connection.execute(query)
            ]

    def files(self) -> set[str]:
        """Return the spool paths of every recorded instance that lies here."""
        with self.snapshot() as connection:
            return set(connection.scalars(select(InstanceRow.file).where(is_here(self.place))))

    def count(self, signal: Signal, by: int = 1, label: str = "") -> None:
        """Add to a counter; one that is parted by a label needs it."""
        with self.transaction() as connection:
            add_to_counter(connection, signal, by, label)

    def counters(self) -> dict[str, int]:
        """Return every counter by its name, with its label; also what other versions counted."""
        query = select(CounterRow.name, CounterRow.value).where(CounterRow.name != IDENTITY)
        with self.snapshot() as connection:
            rows = connection.execute(query)
            return {row.name: row.value for row in rows}


def open_ledger(place: Place, which: LedgerPlace, *, migrate: bool = True) -> Ledger:
    """Open the ledger of a state folder: its own, or the one that it shares with others.

    Raises
    ------
    Misconfigured
        It cannot be opened, or the folder has no identity.
    """
    if which.url:
        return Ledger(which.url, migrate=migrate, home=place.home())
    return Ledger(place.ledger, migrate=migrate)


def open_existing(place: Place, which: LedgerPlace) -> Ledger:
    """Open a ledger to look at it or to decide: nothing that this adds lies in the state folder.

    Raises
    ------
    Misconfigured
        It cannot be opened, or there is none yet.
    """
    if which.url:
        return Ledger(which.url)
    if not place.ledger.exists():
        raise Misconfigured(f"{place.ledger} does not exist: the daemon has not run here yet")
    return Ledger(place.ledger)


def add_to_counter(connection: Connection, signal: Signal, by: int = 1, label: str = "") -> None:
    """Add to a counter, within a transaction; it is written last, so that no other waits long."""
    name = signal.of(label) if signal.label or label else signal
    statement = upsert(connection, CounterRow).values(name=name, value=by)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[CounterRow.name], set_={"value": CounterRow.value + by}
        )
    )


def upsert(connection: Connection, row: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """Return the dialect's INSERT that knows ON CONFLICT."""
    return insert_into(row, connection.dialect.name)


def _engine(url: str, busy_timeout_s: float) -> Engine:
    """Make the engine; its errors tell no parameters: headers name patients."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy, not sqlite3, begins transactions
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _bring_up_to_date(engine: Engine) -> None:
    """Migrate; Alembic is loaded only here, it is large."""
    from daemon.ledger.schema import bring_up_to_date

    bring_up_to_date(engine)
