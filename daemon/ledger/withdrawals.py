"""What it takes to withdraw a study's results: which stand, and the note that rejects them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.ledger.jobs.settle import write_result
from daemon.ledger.jobs.standing import Standing, standing_of, stop_deliveries
from daemon.ledger.ledger import Ledger
from daemon.records import ResultFile


@dataclass(frozen=True)
class Withdrawals:
    """Rejection notes in one ledger."""

    ledger: Ledger

    def standing(self, study_id: int) -> Standing | None:
        """Return what can be withdrawn; None when nothing stands."""
        with self.ledger.snapshot() as connection:
            return standing_of(connection, study_id)

    def withdraw(
        self, standing: Standing, note: ResultFile, destinations: Sequence[str], now: datetime
    ) -> int:
        """Send the note to every destination, and what it rejects to none any more.

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
