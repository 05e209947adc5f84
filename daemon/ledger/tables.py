"""The schema of the ledger.

::

    study 1-* instance            study 1-* job *-* instance (job_input)
    job 1-* score                 job 1-* result 1-* delivery
    promise 1-* promise_item      pull
    place 1-* instance, job, result, promise; instance *-* place (instance_copy)
    counter, note                 (`daemon.signals`)

`place` says in whose state folder something lies; None in a ledger that only one folder has.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from daemon.ledger.times import UtcMicroseconds

_KEY = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can speak of it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class StudyRow(Base):
    """A study; `waiting_since` is set while it has instances that no job has yet."""

    __tablename__ = "study"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcMicroseconds)
    last_arrival_at: Mapped[datetime] = mapped_column(UtcMicroseconds, index=True)
    waiting_since: Mapped[datetime | None] = mapped_column(UtcMicroseconds, index=True)


class InstanceRow(Base):
    """A stored object. Of all contents under one SOP Instance UID one is not `replaced`."""

    __tablename__ = "instance"
    __table_args__ = (
        UniqueConstraint(
            "sop_instance_uid", "digest", name="uq_instance_sop_instance_uid_sha256"
        ),  # SQLite cannot rename a constraint
    )
    id: Mapped[int] = mapped_column(_KEY, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(String(64))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    patient_key: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    file: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    calling_ae: Mapped[str] = mapped_column(String(16))
    called_ae: Mapped[str] = mapped_column(String(16), server_default=text("''"))
    received_at: Mapped[datetime] = mapped_column(UtcMicroseconds)
    replaced: Mapped[bool]
    """Other content came under its SOP Instance UID: it is no input any more."""
    revision: Mapped[int] = mapped_column(server_default=text("0"))
    """See `daemon.records.Instance`."""
    header: Mapped[str | None] = mapped_column(Text)
    """What it says of itself, as JSON; None until somebody has looked."""
    committed_at: Mapped[datetime | None] = mapped_column(UtcMicroseconds)
    """When we promised a peer to keep it: such a file is never purged."""
    place: Mapped[int | None]


class InstanceCopyRow(Base):
    """A further place that holds the same content."""

    __tablename__ = "instance_copy"
    instance_id: Mapped[int] = mapped_column(
        ForeignKey("instance.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[int] = mapped_column(Integer, primary_key=True)


class JobRow(Base):
    """One reading of one set of instances by one model; its name is empty where none is asked."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("study_id", "inputs_digest", "recipe_digest"),
        Index("ix_job_claim", "state", "place", "priority", "id"),
    )
    id: Mapped[int] = mapped_column(_KEY, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    inputs_digest: Mapped[str] = mapped_column(String(64))
    recipe_digest: Mapped[str] = mapped_column(String(64))
    model_name: Mapped[str] = mapped_column(String(32), server_default=text("'wrist'"))
    state: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int]  # 0 is urgent (STAT), 1 routine, 2 batch
    attempts: Mapped[int]
    not_before: Mapped[datetime] = mapped_column(UtcMicroseconds)
    worker: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None] = mapped_column(UtcMicroseconds)
    created_at: Mapped[datetime] = mapped_column(UtcMicroseconds)
    finished_at: Mapped[datetime | None] = mapped_column(UtcMicroseconds)
    category: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str | None] = mapped_column(String(255))
    """Why the last attempt failed."""
    provider: Mapped[str | None] = mapped_column(String(64))
    model: Mapped[str | None] = mapped_column(String(128))
    """Name and version of the package."""
    package_digest: Mapped[str | None] = mapped_column(String(64))
    calibration: Mapped[str | None] = mapped_column(String(255))
    settings_digest: Mapped[str | None] = mapped_column(String(64))
    header: Mapped[str | None] = mapped_column(Text)
    """That of an image, as JSON: its results name patient and study as it does."""
    is_released: Mapped[bool] = mapped_column(server_default=false())
    """A person let the study go that was held."""
    place: Mapped[int | None]
    """Who reads it: only there the files are."""


class JobInputRow(Base):
    """Which instances a job reads."""

    __tablename__ = "job_input"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instance.id"), primary_key=True)
    is_elsewhere: Mapped[bool] = mapped_column(server_default=false())
    """Its file did not lie where the job was to be read."""


class ScoreRow(Base):
    """One finding on one image, with the operating points it was judged by."""

    __tablename__ = "score"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    finding: Mapped[str] = mapped_column(String(32), primary_key=True)
    probability: Mapped[float] = mapped_column(Float(53))
    category: Mapped[str] = mapped_column(String(16))
    high_sensitivity: Mapped[float] = mapped_column(Float(53))
    high_specificity: Mapped[float] = mapped_column(Float(53))


class ResultRow(Base):
    """A result object in the outbox."""

    __tablename__ = "result"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    file: Mapped[str] = mapped_column(String(255))
    purged_at: Mapped[datetime | None] = mapped_column(UtcMicroseconds)
    """When its file was removed from the outbox, long after it was delivered."""
    place: Mapped[int | None]


class DeliveryRow(Base):
    """A result at one destination."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("result_id", "destination"),
        Index("ix_delivery_due", "state", "destination", "not_before"),
        Index("ix_delivery_commitment", "destination", "commitment", "ask_again_at"),
    )
    id: Mapped[int] = mapped_column(_KEY, primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id"))
    destination: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    not_before: Mapped[datetime] = mapped_column(UtcMicroseconds)
    created_at: Mapped[datetime] = mapped_column(UtcMicroseconds)
    settled_at: Mapped[datetime | None] = mapped_column(UtcMicroseconds)
    status: Mapped[int | None]
    """The last DIMSE status; None when there was no answer."""
    detail: Mapped[str | None] = mapped_column(String(255))
    commitment: Mapped[str | None] = mapped_column(String(16))
    """None where no promise is wanted, or nothing was delivered yet."""
    transaction_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    ask_again_at: Mapped[datetime | None] = mapped_column(UtcMicroseconds)


class PromiseRow(Base):
    """A peer's request that we take responsibility for objects; removed once it has our report."""

    __tablename__ = "promise"
    __table_args__ = (UniqueConstraint("calling_ae", "transaction_uid"),)
    id: Mapped[int] = mapped_column(_KEY, primary_key=True)
    calling_ae: Mapped[str] = mapped_column(String(16))
    transaction_uid: Mapped[str] = mapped_column(String(64))
    attempts: Mapped[int]
    not_before: Mapped[datetime] = mapped_column(UtcMicroseconds, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcMicroseconds)
    place: Mapped[int | None]
    """Who was asked, and reports."""


class PromiseItemRow(Base):
    """One object of a request."""

    __tablename__ = "promise_item"
    promise_id: Mapped[int] = mapped_column(
        ForeignKey("promise.id", ondelete="CASCADE"), primary_key=True
    )
    sop_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))


class PullRow(Base):
    """A study to be fetched from an archive."""

    __tablename__ = "pull"
    __table_args__ = (
        UniqueConstraint("source", "study_uid"),
        Index("ix_pull_due", "source", "state", "not_before"),
    )
    id: Mapped[int] = mapped_column(_KEY, primary_key=True)
    source: Mapped[str] = mapped_column(String(32))
    study_uid: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    not_before: Mapped[datetime] = mapped_column(UtcMicroseconds)
    created_at: Mapped[datetime] = mapped_column(UtcMicroseconds)
    settled_at: Mapped[datetime | None] = mapped_column(UtcMicroseconds)
    detail: Mapped[str | None] = mapped_column(String(255))


class PlaceRow(Base):
    """A state folder whose host shares the ledger (`daemon.place`)."""

    __tablename__ = "place"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    seen_at: Mapped[datetime | None] = mapped_column(UtcMicroseconds)
    """When its daemon last said that it lives."""


class CounterRow(Base):
    """How often something happened, by the name of a signal and its label."""

    __tablename__ = "counter"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class NoteRow(Base):
    """Something that is so now; see `daemon.ledger.notes`."""

    __tablename__ = "note"
    signal: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    worker: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcMicroseconds)
    words: Mapped[str] = mapped_column(String(255))


def insert_into(row: type[Base], dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Return the dialect's INSERT that knows ON CONFLICT."""
    table = row.__table__
    if not isinstance(table, Table):
        raise TypeError("rows are mapped to tables")
    if dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
