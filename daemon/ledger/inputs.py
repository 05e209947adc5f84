"""What a job is about: its images, and the results that its own will replace."""

from sqlalchemy import Connection, select

from daemon.ledger.tables import InstanceRow, JobInputRow, JobRow, ResultRow
from daemon.records import Instance, PredecessorObject

WITHDRAWAL = "withdrawal"
"""The kind of a rejection note among the results."""


def inputs_of(connection: Connection, job_id: int) -> tuple[Instance, ...]:
    """Return the images of a job, by SOP Instance UID."""
    query = (
        select(InstanceRow)
        .join(JobInputRow, JobInputRow.instance_id == InstanceRow.id)
        .where(JobInputRow.job_id == job_id)
        .order_by(InstanceRow.sop_instance_uid)
    )
    return tuple(
        Instance(
            instance_id=row.id,
            sop_instance_uid=row.sop_instance_uid,
            sop_class_uid=row.sop_class_uid,
            patient_key=row.patient_key,
            file=row.file,
            digest=row.digest,
        )
        for row in connection.execute(query.with_only_columns(*InstanceRow.__table__.columns))
    )


def predecessors_of(
    connection: Connection, study_id: int, job_id: int
) -> tuple[PredecessorObject, ...]:
    """Return the result objects of the newest earlier job of this study that has any."""
    previous = (
        select(JobRow.id)
        .join(ResultRow, ResultRow.job_id == JobRow.id)
        .where(JobRow.study_id == study_id, JobRow.id < job_id)
        .order_by(JobRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            ResultRow.kind,
            ResultRow.sop_class_uid,
            ResultRow.sop_instance_uid,
            ResultRow.series_instance_uid,
        )
        .where(ResultRow.job_id == previous)
        .order_by(ResultRow.id)
    ).all()
    if any(row.kind == WITHDRAWAL for row in rows):  # what was withdrawn is not built upon
        return ()
    return tuple(PredecessorObject(*row[1:]) for row in rows)
