"""What runs by the clock. APScheduler rings the bells; it never holds work."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler

from daemon.clock import Clock
from daemon.crashpoints import crash_point
from daemon.dicom.header import Header
from daemon.errors import Unavailable
from daemon.guarded import guarded
from daemon.ledger.inputs import Inputs
from daemon.ledger.ledger import Ledger
from daemon.ledger.queue import BATCH, ROUTINE, URGENT, Queue
from daemon.logs import study_key
from daemon.pull.wiring import FETCHED
from daemon.reading.assemble import due_in_s, is_complete, is_overdue
from daemon.reading.sandbox import Describe
from daemon.records import Reason, WaitingInput, WaitingStudy
from daemon.settings import Assembly

logger = logging.getLogger(__name__)

LEASE_CHECK_INTERVAL_S = 15.0
MOST_FAILURES = 3
"""After so many failed turns a study is reported as such."""
UNREADABLE = "unreadable_attributes"
"""Counter in the ledger: attributes that were there and said nothing."""


def nobody() -> Collection[str]:
    """Name the studies being sent where nobody knows: none."""
    return ()


def to_nobody() -> None:
    """Tell nobody that a job was queued: whoever waits for it looks for himself."""


@dataclass(frozen=True, eq=False)
class Upkeep:
    """The turns of the clock work; each can be called by a test.

    Attributes
    ----------
    ledger, queue, assembly, clock
    recipe_digest : str
        Names model package and settings.
    spool : Path
        Where the images of waiting studies lie.
    describe : callable
        Reads the header of an image, in a child process.
    being_sent : callable
        Names the studies that an association is sending at the moment.
    queued : callable
        Called after each job that was queued.
    """

    ledger: Ledger
    queue: Queue
    assembly: Assembly
    recipe_digest: str
    clock: Clock
    spool: Path
    describe: Describe
    being_sent: Callable[[], Collection[str]] = nobody
    queued: Callable[[], object] = to_nobody
    _failures: Counter[int] = field(default_factory=Counter, init=False)
    _lacking: dict[int, datetime] = field(default_factory=dict, init=False)
    """Studies that lack a view, and their last arrival: looked at again when something came."""

    def assemble(self) -> float | None:
        """Make a job of every study that counts as complete; none can keep another from it.

        Returns
        -------
        float or None
            Seconds until the next study is due, of those that are not; None when there is none.

        Raises
        ------
        Unavailable
            Ledger or spool do not answer.
        """
        now = self.clock()
        waiting = self.ledger.waiting()
        being_sent = self.being_sent() if waiting else ()
        for study in waiting:
            sending = study.study_uid in being_sent
            is_due = is_complete(study, now, self.assembly, is_being_sent=sending)
            if is_due and not self._still_lacks(study, now):
                self._take(study, now)
        waits_s = [due_in_s(study, now, self.assembly) for study in waiting]
        return min((wait_s for wait_s in waits_s if wait_s > 0), default=None)

    def _still_lacks(self, study: WaitingStudy, now: datetime) -> bool:
        """Tell whether a study was found to lack a view, and nothing has come since."""
        is_same = self._lacking.get(study.study_id) == study.last_arrival_at
        if is_same and not is_overdue(study, now, self.assembly):
            return True
        self._lacking.pop(study.study_id, None)
        return False

    def _take(self, study: WaitingStudy, now: datetime) -> None:
        """Make the job of one study; after several failures one that reports just that."""
        try:
            self._enqueue(study, now)
        except Unavailable:
            raise
        except Exception:  # a defect of ours costs this study an attempt, and no other
            logger.exception("assembly failed", extra=_about(study))
            self._failures[study.study_id] += 1
            if self._failures[study.study_id] >= MOST_FAILURES:
                guarded("assembly", partial(self._give_up, study, now))
            return
        self._failures.pop(study.study_id, None)

    def _give_up(self, study: WaitingStudy, now: datetime) -> None:
        reason = Reason.FAILED_REPEATEDLY
        self.queue.enqueue(study.study_id, self.recipe_digest, now, reason=reason)
        self._failures.pop(study.study_id, None)

    def _enqueue(self, study: WaitingStudy, now: datetime) -> None:
        if not self._describe(study) and not is_overdue(study, now, self.assembly):
            return
        inputs = Inputs(self.ledger).waiting(study.study_id)
        lacking = set(self.assembly.needed_views) - {
            one.header.view for one in inputs if one.header is not None
        }
        if lacking and not is_overdue(study, now, self.assembly):
            self._lacking[study.study_id] = study.last_arrival_at
            return
        job_id = self.queue.enqueue(
            study.study_id,
            self.recipe_digest,
            now,
            priority=self._priority(inputs),
            reason=Reason.VIEWS_MISSING if lacking else None,
            hold_changed=self.assembly.changed_content == "hold",
        )
        crash_point("assemble:after-enqueue")
        if job_id is not None:
            self.queued()
            words = (
                f"study taken without {', '.join(sorted(lacking))}" if lacking else "study complete"
            )
            logger.log(
                logging.WARNING if lacking else logging.INFO,
                words,
                extra=_about(study) | {"job": job_id},
            )

    def _describe(self, study: WaitingStudy) -> bool:
        """Keep in the ledger what the headers say that nobody has read yet.

        Returns
        -------
        bool
            False when the spool does not give one of them now: the reading will see to it.
        """
        undescribed = Inputs(self.ledger).undescribed(study.study_id)
        headers: dict[int, str] = {}
        for one in undescribed:
            named = Header(one.sop_class_uid, one.sop_instance_uid, study.study_uid)
            try:
                header = self.describe(self.spool / one.file, named)
            except Unavailable as error:
                logger.warning("a header waits: %s", error, extra=_about(study))
                continue
            headers[one.instance_id] = header.to_json()
            if header.unreadable:
                self.ledger.count(UNREADABLE, len(header.unreadable))
                words = "attributes left out: %s"
                logger.warning(words, ", ".join(header.unreadable), extra=_about(study))
        if headers:
            Inputs(self.ledger).describe(headers)
        return len(headers) == len(undescribed)

    def _priority(self, inputs: Sequence[WaitingInput]) -> int:
        """Put urgent studies first, and last what we fetched ourselves."""
        callers = {one.calling_ae for one in inputs}
        is_urgent = any(one.header is not None and one.header.urgent for one in inputs)
        if is_urgent or callers & set(self.assembly.urgent_callers):
            return URGENT
        return BATCH if callers == {FETCHED} else ROUTINE

    def expire_leases(self) -> None:
        """Give the jobs of silent workers back to the queue."""
        expired = self.queue.expire_leases(self.clock())
        if expired:
            logger.warning("leases expired: %d jobs are queued again", expired)


def _about(study: WaitingStudy) -> dict[str, object]:
    return {"study": study_key(study.study_uid)}


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
