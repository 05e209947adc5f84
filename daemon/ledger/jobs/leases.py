"""The jobs that are in somebody's hands, by the ledger, and how they come back out of lost ones."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from daemon.ledger.ledger import Ledger
from daemon.ledger.states import JobState
from daemon.ledger.tables import JobRow

QUEUED_AGAIN: dict[str, Any] = {"state": JobState.QUEUED, "worker": None, "lease_until": None}


@dataclass(frozen=True)
class Lease:
    """A worker's hold on a job, as the ledger shows it; a prolonged one is another lease."""

    job_id: int
    attempt: int
    until: datetime


@dataclass(frozen=True)
class Leases:
    """The leases of one ledger."""

    ledger: Ledger

    def running(self) -> set[Lease]:
        """Return the leases of all jobs that somebody works on."""
        query = select(JobRow.id, JobRow.attempts, JobRow.lease_until)
        with self.ledger.snapshot() as connection:
            rows = connection.execute(query.where(JobRow.state == JobState.RUNNING))
            return {Lease(row.id, row.attempts, row.lease_until) for row in rows}

    def expire(self, leases: Collection[Lease]) -> int:
        """Queue the jobs of these leases, as they still are; returns how many."""
        expired = 0
        with self.ledger.transaction() as connection:
            for lease in leases:
                silent = (
                    update(JobRow)
                    .where(
                        JobRow.id == lease.job_id,
                        JobRow.state == JobState.RUNNING,
                        JobRow.attempts == lease.attempt,
                        JobRow.lease_until == lease.until,
                    )
                    .values(**QUEUED_AGAIN, detail="lease expired")
                )
                expired += connection.execute(silent).rowcount
        return expired

    def give_back_all_but(self, worker: str, in_hand: Collection[int]) -> int:
        """Queue what a worker holds by the ledger and not in its hands; returns how many jobs.

        So it is after the ledger did not answer: what it took may not have been heard, and what
        was given back may not have arrived. These attempts do not count.
        """
        forgotten = (
            update(JobRow)
            .where(
                JobRow.state == JobState.RUNNING,
                JobRow.worker == worker,
                JobRow.id.not_in(list(in_hand)),
            )
            .values(**QUEUED_AGAIN, attempts=JobRow.attempts - 1)
        )
        with self.ledger.transaction() as connection:
            return connection.execute(forgotten).rowcount
