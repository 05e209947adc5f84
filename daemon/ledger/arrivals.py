"""Record what arrives: the busiest transaction of the ledger, spoken with the driver directly.

SQLAlchemy writes the statements, once; executing them through it for every image takes longer than
the database does. Whatever happens seldom goes through `Ledger.transaction`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    Engine,
    Executable,
    Integer,
    String,
    bindparam,
    false,
    func,
    literal_column,
    select,
    text,
    true,
    update,
)
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daemon.errors import Unavailable
from daemon.ledger.tables import InstanceCopyRow, InstanceRow, StudyRow, insert_into
from daemon.ledger.times import UtcMicroseconds
from daemon.ledger.trouble import in_words
from daemon.records import Arrival, Receipt

_ARRIVAL_COLUMNS = sorted(
    {field.name for field in fields(Arrival)} & set(InstanceRow.__table__.columns.keys())
)
_STUDY_COLUMNS = ["study_uid", "created_at", "last_arrival_at"]

_UID = bindparam("sop_instance_uid", type_=String)
_STUDY_UID = bindparam("study_uid", type_=String)
_ITS_STUDY = select(StudyRow.id).where(StudyRow.study_uid == _STUDY_UID).scalar_subquery()
_SAME_UID = InstanceRow.sop_instance_uid == _UID
_PRESENT = InstanceRow.replaced.is_(False)


class Arrivals:
    """Records arrivals through an engine, all at one place; safe to share between threads."""

    def __init__(self, engine: Engine, place: int | None = None) -> None:
        self._engine = engine
        self._place = place
        self._sql = _statements(engine)
        self._time = UtcMicroseconds()

    def record(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Write arrivals in one durable transaction; one receipt for each, in their order.

        Raises
        ------
        Unavailable
            The database does not take them now.
        """
        values = [self._values(arrival) for arrival in arrivals]
        first = {one["study_uid"]: one for one in reversed(values)}
        receipts: dict[int, Receipt] = {}
        with self._transaction() as cursor:
            cursor.executemany(self._sql.study, [first[uid] for uid in sorted(first)])
            changes: list[dict[str, Any]] = []
            # In one order on every host, so that no two wait for each other.
            for number in sorted(range(len(values)), key=lambda one: values[one][_UID.key]):
                receipts[number] = self._record_one(cursor, values[number], changes)
            latest = {one["study_uid"]: one for one in sorted(changes, key=_received_at)}
            if latest:  # every change starts or prolongs the quiet period of its study
                cursor.executemany(self._sql.prolong, [latest[uid] for uid in sorted(latest)])
        return [receipts[number] for number in range(len(values))]

    def _values(self, arrival: Arrival) -> dict[str, Any]:
        at = self._time.process_bind_param(arrival.received_at, self._engine.dialect)
        times = dict.fromkeys(["received_at", "created_at", "last_arrival_at"], at)
        return vars(arrival) | times | {"place": self._place}

    def _record_one(
        self, cursor: DBAPICursor, values: dict[str, Any], changes: list[dict[str, Any]]
    ) -> Receipt:
        """Insert unless it is the present content; note in `changes` which studies it changes."""
        if self._sql.lock is not None:
            cursor.execute(self._sql.lock, values)
        cursor.execute(self._sql.instance, values)
        rows = cursor.fetchall()
        if not rows:
            if self._is_new_here(cursor, values):
                changes.append(values)
            return Receipt.DUPLICATE
        changes.append(values)
        if rows[0][0] == 0:
            return Receipt.NEW
        self._is_new_here(cursor, values)
        cursor.execute(self._sql.replace, values)
        for (study_uid,) in cursor.fetchall():
            if study_uid != values["study_uid"]:  # the archive moved the image to another study
                changes.append(values | {"study_uid": study_uid})
                cursor.execute(self._sql.shrink, changes[-1])
        return Receipt.REPLACED

    def _is_new_here(self, cursor: DBAPICursor, values: dict[str, Any]) -> bool:
        """Note that this place has, too, what lies at another; False when it did already.

        Such a study is looked at again: perhaps all of it lies in one place now.
        """
        if self._place is None:
            return False
        cursor.execute(self._sql.copy, values)
        return bool(cursor.fetchall())

    @contextmanager
    def _transaction(self) -> Iterator[DBAPICursor]:
        driver: Any = self._engine.dialect.loaded_dbapi
        try:
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                if self._sql.begin is not None:
                    cursor.execute(self._sql.begin)
                yield cursor
                connection.commit()
            finally:  # what was not committed is rolled back
                connection.close()
        except driver.Error as error:
            raise Unavailable(f"ledger: {in_words(error)}") from error
        except PoolTimeout as error:
            raise Unavailable("ledger: every connection waits for an answer") from error


@dataclass(frozen=True)
class _Statements:
    """What `record` executes, in the words of one dialect."""

    study: str
    instance: str
    """Gives the revision of what is the content now; nothing if it was that already."""
    replace: str
    """Marks the content of before, and gives its study."""
    copy: str
    """Notes a further place of known content, and gives it if it is new there."""
    shrink: str
    """Makes another set of what is left of a study, even if that was read before."""
    prolong: str
    begin: str | None
    """psycopg begins by itself."""
    lock: str | None
    """Keeps two hosts from recording the same SOP Instance UID at once; SQLite has one writer."""


def _statements(engine: Engine) -> _Statements:
    is_sqlite = engine.dialect.name == "sqlite"
    make_dialect: Any = type(engine.dialect)
    dialect = make_dialect(paramstyle="named" if is_sqlite else "pyformat")

    def written(statement: Executable, columns: list[str] | None = None) -> str:
        return str(statement.compile(dialect=dialect, column_keys=columns))  # type: ignore[attr-defined]  # every one is a ClauseElement

    at = bindparam("received_at", type_=UtcMicroseconds)
    study = insert_into(StudyRow, dialect.name).inline().on_conflict_do_nothing()
    shrink = update(InstanceRow).where(InstanceRow.study_id == _ITS_STUDY, _PRESENT)
    prolong = update(StudyRow).where(StudyRow.study_uid == _STUDY_UID)
    return _Statements(
        study=written(study, _STUDY_COLUMNS),
        instance=written(_insertion(dialect.name)),
        replace=written(_replacement()),
        copy=written(_further_copy(dialect.name)),
        shrink=written(shrink.values(revision=InstanceRow.revision + literal_column("1"))),
        prolong=written(
            prolong.values(
                last_arrival_at=at, waiting_since=func.coalesce(StudyRow.waiting_since, at)
            )
        ),
        begin="BEGIN IMMEDIATE" if is_sqlite else None,
        lock=None
        if is_sqlite
        else written(select(func.pg_advisory_xact_lock(func.hashtextextended(_UID, text("0"))))),
    )


def _insertion(dialect: str) -> Executable:
    """Insert new content; what was sent before and then replaced counts again."""
    following = func.max(InstanceRow.revision) + literal_column("1")
    revision = select(func.coalesce(following, literal_column("0"))).where(_SAME_UID)
    insert = insert_into(InstanceRow, dialect).values(
        study_id=_ITS_STUDY,
        revision=revision.scalar_subquery(),
        replaced=false(),
        place=bindparam("place"),
        **{name: bindparam(name) for name in _ARRIVAL_COLUMNS},
    )
    return insert.on_conflict_do_update(
        index_elements=[InstanceRow.sop_instance_uid, InstanceRow.digest],
        set_={"replaced": false(), "revision": insert.excluded.revision},
        where=InstanceRow.replaced.is_(True),
    ).returning(InstanceRow.revision)


def _replacement() -> Executable:
    """Mark the content that counted before an arrival."""
    study_uid = select(StudyRow.study_uid).where(StudyRow.id == InstanceRow.study_id)
    return (
        update(InstanceRow)
        .where(_SAME_UID, InstanceRow.digest != bindparam("digest", type_=String), _PRESENT)
        .values(replaced=true())
        .returning(study_uid.correlate(InstanceRow).scalar_subquery())
    )


def _further_copy(dialect: str) -> Executable:
    """Note where else the content of an arrival lies."""
    place = bindparam("place", type_=Integer)
    elsewhere = select(InstanceRow.id, place).where(
        _SAME_UID,
        InstanceRow.digest == bindparam("digest", type_=String),
        InstanceRow.place.is_distinct_from(place),
    )
    new = insert_into(InstanceCopyRow, dialect).from_select(["instance_id", "place"], elsewhere)
    return new.on_conflict_do_nothing().returning(InstanceCopyRow.place)


def _received_at(values: dict[str, Any]) -> int:
    return int(values["received_at"])
