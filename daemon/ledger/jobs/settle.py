"""Write what a finished job leaves behind: scores, results, and a delivery to each destination."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert

from daemon.dicom.agreement import issued_under
from daemon.ledger.jobs.standing import WITHDRAWAL, stop_deliveries
from daemon.ledger.ledger import add_to_counter, upsert
from daemon.ledger.states import DeliveryState
from daemon.ledger.tables import DeliveryRow, ResultRow, ScoreRow
from daemon.ledger.waits import AT_ONCE
from daemon.records import Job, ResultFile, StudyReading
from daemon.signals import Tally


def origin_of(reading: StudyReading) -> dict[str, str | None]:
    """Return the columns for the model and the patient of a reading, as its results state them."""
    model = reading.model
    headers = [image.header for image in reading.images if image.header is not None]
    return {
        "header": issued_under(headers).to_json() if headers else None,
        "provider": model.provider[:64],
        "model": f"{model.name} {model.version}"[:128],
        "package_digest": model.digest[:64],
        "calibration": model.calibration[:255],
        "settings_digest": reading.settings_digest[:64],
    }


def count_all(connection: Connection, counts: Tally) -> None:
    """Count what happened; in one order on every host, so that no two block each other."""
    for signal in sorted(counts):
        add_to_counter(connection, signal, counts[signal])


def write_scores(connection: Connection, job: Job, reading: StudyReading) -> None:
    """Write every score of a reading."""
    rows = [
        {
            "job_id": job.job_id,
            "sop_instance_uid": image.sop_instance_uid,
            "finding": score.finding,
            "probability": score.probability,
            "category": score.category,
            "high_sensitivity": score.high_sensitivity,
            "high_specificity": score.high_specificity,
        }
        for image in reading.images
        for score in image.scores
    ]
    if rows:
        connection.execute(insert(ScoreRow), rows)


def write_results(
    connection: Connection,
    job: Job,
    results: Sequence[ResultFile],
    destinations: Sequence[str],
    now: datetime,
    place: int | None,
) -> None:
    """Write the results of a job, which lie at a place, and stop those that it withdraws.

    A note rejects what was written before it, so it is written before the results beside it.
    """
    notes = [one for one in results if one.kind == WITHDRAWAL]
    if notes and job.withdrawal is not None:
        withdrawn = [one.sop_instance_uid for one in job.withdrawal.objects]
        stop_deliveries(connection, withdrawn, now)
    for result in [*notes, *(one for one in results if one.kind != WITHDRAWAL)]:
        write_result(connection, job.job_id, result, destinations, now, place)


def write_result(
    connection: Connection,
    job_id: int,
    result: ResultFile,
    destinations: Sequence[str],
    now: datetime,
    place: int | None,
) -> None:
    """Write a result that lies at a place, to be delivered to each destination that gets it."""
    new = upsert(connection, ResultRow).values(
        job_id=job_id,
        kind=result.kind,
        sop_class_uid=result.sop_class_uid,
        sop_instance_uid=result.sop_instance_uid,
        series_instance_uid=result.series_instance_uid,
        transfer_syntax_uid=result.transfer_syntax_uid,
        file=result.file,
        place=place,
    )
    result_id = connection.scalar(new.on_conflict_do_nothing().returning(ResultRow.id))
    if result_id is None:  # read again with the same answer: the very object is there already
        return
    deliveries = [
        {
            "result_id": result_id,
            "destination": destination,
            "state": DeliveryState.PENDING,
            "attempts": 0,
            "not_before": AT_ONCE,
            "created_at": now,
        }
        for destination in destinations
        if not result.destinations or destination in result.destinations
    ]
    if deliveries:
        connection.execute(insert(DeliveryRow), deliveries)
