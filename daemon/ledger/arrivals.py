"""Record what arrives: the busiest transaction of the ledger, spoken with the driver directly.

SQLAlchemy writes the statements, once; executing them through it for every image takes longer than
the database does. Whatever happens seldom goes through `Ledger.transaction`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    BindParameter,
    Engine,
    Executable,
    ScalarSelect,
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

from daemon.errors import Unavailable
from daemon.ledger.tables import InstanceRow, StudyRow, UtcMicroseconds, insert_into
from daemon.records import Arrival, Receipt

_ARRIVAL_COLUMNS = sorted(
    {field.name for field in fields(Arrival)} & set(InstanceRow.__table__.columns.keys())
)
_STUDY_COLUMNS = ["study_uid", "created_at", "last_arrival_at"]


class Arrivals:
    """Records arrivals through an engine; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
        with self._transaction() as cursor:
            cursor.executemany(self._sql.study, [first[uid] for uid in sorted(first)])
            changes: list[dict[str, Any]] = []
            receipts = [self._record_one(cursor, one, changes) for one in values]
            latest = {one["study_uid"]: one for one in sorted(changes, key=_received_at)}
            if latest:  # every change starts or prolongs the quiet period of its study
                cursor.executemany(self._sql.prolong, [latest[uid] for uid in sorted(latest)])
        return receipts

    def _values(self, arrival: Arrival) -> dict[str, Any]:
        at = self._time.process_bind_param(arrival.received_at, self._engine.dialect)
        return vars(arrival) | dict.fromkeys(["received_at", "created_at", "last_arrival_at"], at)

    def _record_one(
        self, cursor: DBAPICursor, values: dict[str, Any], changes: list[dict[str, Any]]
    ) -> Receipt:
        """Insert unless it is the present content; note in `changes` which studies it changes."""
        if self._sql.lock is not None:
            cursor.execute(self._sql.lock, values)
        cursor.execute(self._sql.instance, values)
        rows = cursor.fetchall()
        if not rows:
            return Receipt.DUPLICATE
        changes.append(values)
        if rows[0][0] == 0:
            return Receipt.NEW
        cursor.execute(self._sql.replace, values)
        for (study_uid,) in cursor.fetchall():
            if study_uid != values["study_uid"]:  # the archive moved the image to another study
                changes.append(values | {"study_uid": study_uid})
                cursor.execute(self._sql.bereave, changes[-1])
        return Receipt.REPLACED

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
            raise Unavailable(f"ledger: {type(error).__name__}") from error


@dataclass(frozen=True)
class _Statements:
    """What `record` executes, in the words of one dialect."""

    study: str
    instance: str
    """Gives the revision of what is the content now; nothing if it was that already."""
    replace: str
    """Marks the content of before, and gives its study."""
    bereave: str
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

    uid = bindparam("sop_instance_uid", type_=String)
    study_uid = bindparam("study_uid", type_=String)
    study_id = select(StudyRow.id).where(StudyRow.study_uid == study_uid).scalar_subquery()
    at = bindparam("received_at", type_=UtcMicroseconds)
    study = insert_into(StudyRow, dialect.name).inline().on_conflict_do_nothing()
    instance = insert_into(InstanceRow, dialect.name).values(
        study_id=study_id,
        revision=_next_revision(uid),
        replaced=false(),
        **{name: bindparam(name) for name in _ARRIVAL_COLUMNS},
    )
    instance = instance.on_conflict_do_update(  # sent before, then replaced: it counts again
        index_elements=[InstanceRow.sop_instance_uid, InstanceRow.digest],
        set_={"replaced": false(), "revision": instance.excluded.revision},
        where=InstanceRow.replaced,
    )
    before = update(InstanceRow).where(
        InstanceRow.sop_instance_uid == uid,
        InstanceRow.digest != bindparam("digest", type_=String),
        InstanceRow.replaced.is_(False),
    )
    its_study = select(StudyRow.study_uid).where(StudyRow.id == InstanceRow.study_id)
    left = update(InstanceRow).where(
        InstanceRow.study_id == study_id, InstanceRow.replaced.is_(False)
    )
    prolong = update(StudyRow).where(StudyRow.study_uid == study_uid)
    return _Statements(
        study=written(study, _STUDY_COLUMNS),
        instance=written(instance.returning(InstanceRow.revision)),
        replace=written(
            before.values(replaced=true()).returning(
                its_study.correlate(InstanceRow).scalar_subquery()
            )
        ),
        bereave=written(left.values(revision=InstanceRow.revision + literal_column("1"))),
        prolong=written(
            prolong.values(
                last_arrival_at=at, waiting_since=func.coalesce(StudyRow.waiting_since, at)
            )
        ),
        begin="BEGIN IMMEDIATE" if is_sqlite else None,
        lock=None
        if is_sqlite
        else written(select(func.pg_advisory_xact_lock(func.hashtextextended(uid, text("0"))))),
    )


def _next_revision(uid: BindParameter[str]) -> ScalarSelect[int]:
    """Return the revision that new content under a SOP Instance UID gets: 0 for the first."""
    following = func.max(InstanceRow.revision) + literal_column("1")
    known = select(func.coalesce(following, literal_column("0")))
    return known.where(InstanceRow.sop_instance_uid == uid).scalar_subquery()


def _received_at(values: dict[str, Any]) -> int:
    return int(values["received_at"])
