"""What waits in the ledger for a moment to come, and when that moment has come.

Moments are written and compared with a time that runs evenly (`daemon.clock.Chronometer.steady`),
so within the life of a process no setting of the wall clock reaches them. Over a restart, or from
another host, they come in the time of another process, which may have been wrong by any amount:
what lies further ahead than anything can wait is due, and a start waits for nothing that an
earlier process has put off.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, update
from sqlalchemy.orm import InstrumentedAttribute

from daemon.ledger.ledger import Ledger
from daemon.ledger.states import CommitState, DeliveryState, JobState, PullState
from daemon.ledger.tables import DeliveryRow, JobRow, PromiseRow, PullRow

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""Waits for nothing, whatever anybody's clock says."""

LONGEST_WAIT = timedelta(days=1)
"""No setting allows a longer one (`daemon.settings`)."""

Moment = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]


def due(column: Moment, now: datetime) -> ColumnElement[bool]:
    """Return the condition that the moment in a column has come.

    Parameters
    ----------
    column : mapped column
    now : datetime
        A steady time.
    """
    return or_(column <= now, column > now + LONGEST_WAIT)


def wait_no_more(ledger: Ledger, now: datetime, report_within: timedelta) -> None:
    """Make due, at a start, what an earlier process has put off.

    Parameters
    ----------
    ledger : Ledger
    now : datetime
        A steady time.
    report_within : timedelta
        The longest wait for a report that was asked for: it goes on, but not for longer.

    Raises
    ------
    Unavailable
        The ledger does not answer.
    """
    waits: list[tuple[Any, ColumnElement[bool]]] = [
        (JobRow.not_before, JobRow.state == JobState.QUEUED),
        (DeliveryRow.not_before, DeliveryRow.state == DeliveryState.PENDING),
        (DeliveryRow.ask_again_at, DeliveryRow.commitment == CommitState.WANTED),
        (PromiseRow.not_before, PromiseRow.attempts > 0),
        (PullRow.not_before, PullRow.state == PullState.FOUND),
    ]
    latest = now + report_within
    with ledger.transaction() as connection:
        for column, waiting in waits:
            connection.execute(
                update(column.class_).where(waiting, column > AT_ONCE).values({column: AT_ONCE})
            )
        connection.execute(
            update(DeliveryRow)
            .where(DeliveryRow.commitment == CommitState.ASKED, DeliveryRow.ask_again_at > latest)
            .values(ask_again_at=latest)
        )
