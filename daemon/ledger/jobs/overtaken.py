"""Jobs that are not read any more, because other images came, or none is left."""

import logging
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Update, select, true, update

from daemon.ledger.ledger import add_to_counter
from daemon.ledger.states import JobState
from daemon.ledger.tables import JobRow, StudyRow
from daemon.logs import study_key
from daemon.signals import Signal

logger = logging.getLogger(__name__)


def overtaken(
    study_id: int,
    now: datetime,
    which: ColumnElement[bool],
    state: JobState = JobState.QUEUED,
) -> Update:
    """Skip those jobs of a study whose images are not all of its images any more."""
    return (
        update(JobRow)
        .where(JobRow.study_id == study_id, JobRow.state == state, which)
        .values(
            state=JobState.SKIPPED,
            worker=None,
            lease_until=None,
            finished_at=now,
            detail="other images came before it was read",
        )
    )


def give_up_emptied(connection: Connection, study_id: int, now: datetime) -> None:
    """Read nothing more of a study whose images were all moved to others, and say so."""
    connection.execute(overtaken(study_id, now, true()))
    add_to_counter(connection, Signal.STUDY_EMPTIED)
    logger.warning(
        "every image of this study was moved to another study",
        extra={"study": study_key(study_uid_of(connection, study_id))},
    )


def study_uid_of(connection: Connection, study_id: int) -> str:
    """Return the Study Instance UID of a study of the ledger."""
    return connection.scalars(select(StudyRow.study_uid).where(StudyRow.id == study_id)).one()
