"""What runs by the clock. APScheduler rings the bells; it never holds work."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler

from daemon.clock import Clock
from daemon.crashpoints import crash_point
from daemon.guarded import guarded
from daemon.ledger.ledger import Ledger
from daemon.ledger.queue import BATCH, ROUTINE, URGENT, Queue
from daemon.logs import study_key
from daemon.pull.wiring import FETCHED
from daemon.reading.assemble import is_complete, is_overdue
from daemon.reading.glance import Glance, glance
from daemon.records import Reason, WaitingInput, WaitingStudy
from daemon.settings import Assembly

logger = logging.getLogger(__name__)

LEASE_CHECK_INTERVAL_S = 15.0


def nobody() -> Collection[str]:
    """Name the studies being sent where nobody knows: none."""
    return ()


@dataclass(frozen=True, eq=False)
class Upkeep:
    """The turns of the clock work; each can be called by a test.

    Attributes
    ----------
    ledger, queue, assembly, clock
    recipe_digest : str
        Names model package and settings.
    spool : Path
        Where the headers of waiting studies are looked at.
    being_sent : callable
        Names the studies that an association is sending at the moment.
    """

    ledger: Ledger
    queue: Queue
    assembly: Assembly
    recipe_digest: str
    clock: Clock
    spool: Path
    being_sent: Callable[[], Collection[str]] = nobody

    def assemble(self) -> None:
        """Make a job of every study that counts as complete."""
        now = self.clock()
        waiting = self.ledger.waiting()
        being_sent = self.being_sent() if waiting else ()
        for study in waiting:
            sending = study.study_uid in being_sent
            if is_complete(study, now, self.assembly, is_being_sent=sending):
                self._enqueue(study, now)

    def _enqueue(self, study: WaitingStudy, now: datetime) -> None:
        inputs = self.queue.waiting_inputs(study.study_id)
        seen = glance(self.spool / one.file for one in inputs)
        lacking = set(self.assembly.needed_views) - seen.views
        if lacking and not is_overdue(study, now, self.assembly):
            return
        job_id = self.queue.enqueue(
            study.study_id,
            self.recipe_digest,
            now,
            priority=self._priority(seen, inputs),
            reason=Reason.VIEWS_MISSING if lacking else None,
        )
        crash_point("assemble:after-enqueue")
        if job_id is not None:
            words = (
                f"study taken without {', '.join(sorted(lacking))}" if lacking else "study complete"
            )
            logger.log(
                logging.WARNING if lacking else logging.INFO,
                words,
                extra={"study": study_key(study.study_uid), "job": job_id},
            )

    def _priority(self, seen: Glance, inputs: Sequence[WaitingInput]) -> int:
        """Put urgent studies first, and last what we fetched ourselves."""
        callers = {one.calling_ae for one in inputs}
        if seen.urgent or callers & set(self.assembly.urgent_callers):
            return URGENT
        return BATCH if callers == {FETCHED} else ROUTINE

    def expire_leases(self) -> None:
        """Give the jobs of silent workers back to the queue."""
        expired = self.queue.expire_leases(self.clock())
        if expired:
            logger.warning("leases expired: %d jobs are queued again", expired)


def start_clockwork(turns: Mapping[Callable[[], object], float]) -> BackgroundScheduler:
    """Repeat each turn at its interval in seconds; a missed turn is not made up for."""
    scheduler = BackgroundScheduler(timezone="UTC")
    for turn, interval_s in turns.items():
        scheduler.add_job(
            guarded,
            "interval",
            args=("clock work", turn),
            seconds=interval_s,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    scheduler.start()
    return scheduler
