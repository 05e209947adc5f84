"""What it takes to withdraw a study's results: which stand, and the note that rejects them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from daemon.ledger.jobs.settle import write_result
from daemon.ledger.jobs.standing import Standing, standing_of, stop_deliveries
from daemon.ledger.ledger import Ledger
from daemon.ledger.tables import JobRow
from daemon.records import ResultFile


@dataclass(frozen=True)
class Withdrawals:
    """Rejection notes in one ledger."""

    ledger: Ledger

    def standing(self, study_id: int) -> list[Standing]:
        """Return what can be withdrawn, of each model; nothing when nothing stands."""
        models = select(JobRow.model_name).where(JobRow.study_id == study_id).distinct()
        with self.ledger.snapshot() as connection:
            each = [standing_of(connection, study_id, {one}) for one in connection.scalars(models)]
        return [one for one in each if one is not None]

    def withdraw(
        self, standing: Standing, note: ResultFile, destinations: Sequence[str], now: datetime
    ) -> int:
        """Queue the withdrawal note for every destination; cancel deliveries of rejected results.

        Returns
        -------
        int
            How many objects were still on their way and are not sent.
        """
        rejected = [one.sop_instance_uid for one in standing.results]
        with self.ledger.transaction() as connection:
            stopped = stop_deliveries(connection, rejected, now)
            place = self.ledger.place
            write_result(connection, standing.job_id, note, destinations, now, place)
            return stopped
