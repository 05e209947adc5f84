"""Which results of a study stand, and what a new reading does to them: supersede or withdraw."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from daemon.dicom.agreement import disagreements, issued_under
from daemon.dicom.header import Header
from daemon.ledger.jobs.inputs import header_from
from daemon.ledger.states import DeliveryState
from daemon.ledger.tables import DeliveryRow, JobRow, ResultRow
from daemon.records import Instance, PredecessorObject, ResultFile, Withdrawal

WITHDRAWAL = "withdrawal"
"""The kind of a rejection note among the results."""

_NOT_SENT = [DeliveryState.PENDING, DeliveryState.PARKED, DeliveryState.SKIPPED]


@dataclass(frozen=True)
class Standing:
    """The results that one model, or none, made of a study, and no note rejects; oldest first.

    `job_id` is the newest job that made any of them, `newest` what it made, and `header` that
    under which it did; None where the ledger does not know it.
    """

    job_id: int
    results: tuple[ResultFile, ...]
    newest: tuple[PredecessorObject, ...]
    header: Header | None


def since_last_note(results: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Return what stands of all results of a study, oldest first: a note rejects all before it."""
    notes = [place for place, row in enumerate(results) if row.kind == WITHDRAWAL]
    return results[notes[-1] + 1 :] if notes else results


def standing_of(
    connection: Connection, study_id: int, model_names: Collection[str]
) -> Standing | None:
    """Return the results that models made of a study and that stand; None when there are none."""
    query = (
        select(ResultRow.__table__)
        .join(JobRow, JobRow.id == ResultRow.job_id)
        .where(JobRow.study_id == study_id, JobRow.model_name.in_(model_names))
        .order_by(ResultRow.id)
    )
    rows = since_last_note(connection.execute(query).all())
    if not rows:
        return None
    job_id = rows[-1].job_id
    header = connection.scalar(select(JobRow.header).where(JobRow.id == job_id))
    results = [(row.job_id, _file(row)) for row in rows]
    return Standing(
        job_id=job_id,
        results=tuple(file for _, file in results),
        newest=tuple(_object(file) for made_by, file in results if made_by == job_id),
        header=header_from(header),
    )


def superseded_by(
    standing: Standing | None, inputs: Sequence[Instance]
) -> tuple[tuple[PredecessorObject, ...], Withdrawal | None]:
    """Return what a reading of these images supersedes, and what it withdraws: one of them.

    Results of the same patient are superseded. Where what stands was issued for somebody else than
    the images speak of now, all of it is withdrawn.
    """
    if standing is None:
        return (), None
    headers = [one.header for one in inputs if one.header is not None]
    before = standing.header
    if before is None or not headers or not disagreements([before, issued_under(headers)]):
        return standing.newest, None
    return (), Withdrawal(tuple(map(_object, standing.results)), before)


def stop_deliveries(connection: Connection, sop_instance_uids: Sequence[str], now: datetime) -> int:
    """Send withdrawn results to nobody any more; returns how many deliveries are not made."""
    results = select(ResultRow.id).where(ResultRow.sop_instance_uid.in_(sop_instance_uids))
    stop = (
        update(DeliveryRow)
        .where(DeliveryRow.result_id.in_(results), DeliveryRow.state.in_(_NOT_SENT))
        .values(state=DeliveryState.WITHDRAWN, settled_at=now)
    )
    return connection.execute(stop).rowcount


def _object(file: ResultFile) -> PredecessorObject:
    return PredecessorObject(file.sop_class_uid, file.sop_instance_uid, file.series_instance_uid)


def _file(row: Row[Any]) -> ResultFile:
    return ResultFile(
        row.kind,
        row.sop_class_uid,
        row.sop_instance_uid,
        row.series_instance_uid,
        row.transfer_syntax_uid,
        row.file,
    )
