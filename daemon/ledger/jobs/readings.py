"""What the ledger keeps of readings: the outcome of each study, and the scores it came from."""

from dataclasses import dataclass

from sqlalchemy import func, select

from daemon.ledger.ledger import Ledger
from daemon.ledger.states import JobState
from daemon.ledger.tables import JobRow, ScoreRow, StudyRow
from daemon.records import Category, FindingScore


@dataclass(frozen=True)
class StoredReading:
    """A model's newest finished reading of a study; no scores when it was not analysed."""

    study_uid: str
    model_name: str
    category: Category
    scores: tuple[FindingScore, ...]


def stored_readings(ledger: Ledger, study_id: int | None = None) -> list[StoredReading]:
    """Return each model's newest finished reading of every study, or of one, oldest first."""
    newest = (
        select(func.max(JobRow.id).label("id"))
        .where(JobRow.state == JobState.DONE, JobRow.category.is_not(None))
        .group_by(JobRow.study_id, JobRow.model_name)
    )
    if study_id is not None:
        newest = newest.where(JobRow.study_id == study_id)
    chosen = newest.subquery()
    jobs = (
        select(JobRow.id, JobRow.category, JobRow.model_name, StudyRow.study_uid)
        .join(chosen, chosen.c.id == JobRow.id)
        .join(StudyRow, StudyRow.id == JobRow.study_id)
        .order_by(JobRow.id)
    )
    with ledger.snapshot() as connection:
        found = connection.execute(jobs).all()
        scores: dict[int, list[FindingScore]] = {}
        for row in connection.execute(
            select(ScoreRow.__table__).join(chosen, chosen.c.id == ScoreRow.job_id)
        ):
            scores.setdefault(row.job_id, []).append(
                FindingScore(
                    finding=row.finding,
                    probability=row.probability,
                    category=Category(row.category),
                    high_sensitivity=row.high_sensitivity,
                    high_specificity=row.high_specificity,
                )
            )
    return [
        StoredReading(
            row.study_uid, row.model_name, Category(row.category), tuple(scores.get(row.id, ()))
        )
        for row in found
    ]
