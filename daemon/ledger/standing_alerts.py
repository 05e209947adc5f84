"""What a person should look at, as it follows from the ledger."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select
from sqlalchemy.orm import aliased

from daemon.ledger.hosts.holding import present
from daemon.ledger.ledger import Ledger
from daemon.ledger.notes import standing_notes
from daemon.ledger.states import DeliveryState, JobState, PullState
from daemon.ledger.tables import CounterRow, DeliveryRow, InstanceRow, JobRow, PullRow, StudyRow
from daemon.reasons import HELD, Reason
from daemon.records import NO_MODEL
from daemon.signals import Signal, SignalKind

COUNTED = (
    Signal.NO_REPORT,
    Signal.RESULT_LEFT_OUT,
    Signal.STUDY_EMPTIED,
    Signal.STUDY_WAITS,
)
"""Alerts that leave no state behind: how often they happened is counted."""

_OF_FLAGS = {Signal.OUT_OF_SERVICE: Signal.MODEL_OUT_OF_SERVICE}
"""The flags that a person should look at."""

_CAME_LATER = select(StudyRow.id).where(
    StudyRow.study_uid == PullRow.study_uid, StudyRow.last_arrival_at > PullRow.settled_at
)
_IMAGES = select(InstanceRow.id).where(present(JobRow.study_id))
_OF_STUDIES: dict[Signal, ColumnElement[bool]] = {
    Signal.STUDY_HELD: and_(JobRow.state == JobState.DONE, JobRow.reason.in_(HELD)),
    Signal.STUDY_QUARANTINED: JobRow.state == JobState.QUARANTINED,
    Signal.MODEL_OFFLINE: and_(  # nobody can read again what is purged
        JobRow.state == JobState.DONE,
        JobRow.reason == Reason.MODEL_OFFLINE,
        _IMAGES.exists(),
    ),
}


@dataclass(frozen=True)
class Alert:
    """Something that a person should look at.

    `number` counts what is in that state, and `since` says when the oldest came into it. Of what
    leaves no state, `number` says how often it happened, and `since` is None.
    """

    signal: Signal
    number: int
    since: datetime | None = None


def standing_alerts(ledger: Ledger) -> list[Alert]:
    """Return what a person should look at, in the order of the list of signals."""
    queries = {signal: _studies(which) for signal, which in _OF_STUDIES.items()} | {
        Signal.RESULT_PARKED: select(func.count(), func.min(DeliveryRow.settled_at)).where(
            DeliveryRow.state == DeliveryState.PARKED
        ),
        Signal.PULL_GIVEN_UP: select(func.count(), func.min(PullRow.settled_at)).where(
            PullRow.state == PullState.FAILED, ~_CAME_LATER.exists()
        ),
    }
    with ledger.snapshot() as connection:
        found = [Alert(signal, *connection.execute(it).one()) for signal, it in queries.items()]
        found += [*_noted(connection), *_counted(connection)]
    return sorted(
        (one for one in found if one.number), key=lambda one: list(Signal).index(one.signal)
    )


def _studies(which: ColumnElement[bool]) -> Select[int, datetime | None]:
    """Count the studies of which a model's newest job is so."""
    other = aliased(JobRow)
    newer = and_(other.model_name == JobRow.model_name, other.id > JobRow.id)
    asked = and_(JobRow.model_name == NO_MODEL, other.model_name != NO_MODEL)
    decides = select(other.id).where(other.study_id == JobRow.study_id, or_(newer, asked))
    return select(func.count(func.distinct(JobRow.study_id)), func.min(JobRow.finished_at)).where(
        which, ~decides.exists()
    )


def _noted(connection: Connection) -> list[Alert]:
    since: dict[Signal, list[datetime]] = {}
    for note in standing_notes(connection):
        signal = _OF_FLAGS.get(note.signal, note.signal)
        if signal.kind is SignalKind.ALERT:
            since.setdefault(signal, []).append(note.since)
    return [Alert(signal, len(times), min(times)) for signal, times in since.items()]


def _counted(connection: Connection) -> list[Alert]:
    query = select(CounterRow.name, CounterRow.value).where(CounterRow.name.in_(COUNTED))
    return [Alert(Signal.named(row.name), row.value) for row in connection.execute(query)]
