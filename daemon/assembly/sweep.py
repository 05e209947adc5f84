"""Assembly: what has come and is complete becomes a job."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from daemon.assembly.complete import Patience
from daemon.assembly.routing import Route, asked_of
from daemon.clock import Chronometer
from daemon.crashpoints import crash_point
from daemon.dicom.header import Header
from daemon.errors import Unavailable
from daemon.guarded import guarded
from daemon.ledger.jobs.inputs import Inputs
from daemon.ledger.jobs.queue import BATCH, ROUTINE, URGENT, Queue
from daemon.ledger.ledger import Ledger
from daemon.logs import study_key
from daemon.pull.fetcher import FETCHED
from daemon.reading.sandbox import Describe
from daemon.records import NO_MODEL, Reason, WaitingInput, WaitingStudy
from daemon.settings import Assembly
from daemon.signals import Signal

logger = logging.getLogger(__name__)

MOST_FAILURES = 3
"""After so many failed turns a study is reported as such, and a header is left to the reading."""
AGAIN_S = 1.0
"""When a study is tried again that could not be taken."""


def nobody() -> Collection[str]:
    """Name the studies being sent where nobody knows: none."""
    return ()


def to_nobody() -> None:
    """Tell nobody that a job was queued: whoever waits for it looks for himself."""


def none_silent() -> Collection[int]:
    """Name the silent places where there is one place only: none."""
    return ()


@dataclass(frozen=True, eq=False)
class Sweep:
    """The turn of assembly; it can be called by a test.

    Attributes
    ----------
    ledger, queue, assembly, clock
    recipes : mapping
        By the name of each model what names it, its package and the settings.
    route : callable
        Names the models that read an image, from its header and its origin.
    spool : Path
        Where the images of waiting studies lie.
    describe : callable
        Reads the header of an image, in a child process.
    being_sent : callable
        Names the studies that an association is sending at the moment; asked when one of them
        would be complete.
    queued : callable
        Called after each job that was queued.
    silent : callable
        Numbers the places whose hosts do not live.
    """

    ledger: Ledger
    queue: Queue
    assembly: Assembly
    recipes: Mapping[str, str]
    route: Route
    clock: Chronometer
    spool: Path
    describe: Describe
    being_sent: Callable[[], Collection[str]] = nobody
    queued: Callable[[], object] = to_nobody
    silent: Callable[[], Collection[int]] = none_silent
    _failures: Counter[int] = field(default_factory=Counter, init=False)
    _lacking: dict[int, datetime] = field(default_factory=dict, init=False)
    """Studies that lack a view, and their last arrival: looked at again when something came."""
    _unread: Counter[int] = field(default_factory=Counter, init=False)
    _patience: Patience = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_patience", Patience(self.assembly))

    def assemble(self) -> float | None:
        """Make a job of every study that counts as complete; none can keep another from it.

        Returns
        -------
        float or None
            Seconds until the next study is due that waits now, if nothing happens meanwhile; None
            when no study waits. One that is being sent is due when its sending has ended, which
            is not foreseen, or at the hard cap.

        Raises
        ------
        Unavailable
            Ledger or spool do not answer.
        """
        now = self.clock()
        waiting = self.ledger.waiting()
        self._patience.look(waiting, now, self.clock.seconds())
        is_one_ripe = any(self._patience.left_s(one.study_id) <= 0 for one in waiting)
        being_sent = self.being_sent() if is_one_ripe else ()
        left: list[float] = []
        for study in waiting:
            sending = study.study_uid in being_sent
            left_s = self._patience.left_s(study.study_id, is_being_sent=sending)
            if left_s <= 0:
                left_s = self._still_lacks_s(study) or self._take(study, now)
            if left_s > 0:
                left.append(left_s)
        return min(left, default=None)

    def _still_lacks_s(self, study: WaitingStudy) -> float:
        """Return how long to wait for a view that a study was found to lack, seconds.

        0 where something has come since, or the hard cap is reached: it is to be looked at.
        """
        cap_s = self._patience.left_until_cap_s(study.study_id)
        if cap_s > 0 and self._lacking.get(study.study_id) == study.last_arrival_at:
            return cap_s
        self._lacking.pop(study.study_id, None)
        return 0.0

    def _take(self, study: WaitingStudy, now: datetime) -> float:
        """Make the job of one study; after several failures one that reports just that.

        Returns how long the study waits still, seconds; 0 when it was taken.
        """
        try:
            left_s = self._enqueue(study, now)
        except Unavailable:
            raise
        except Exception:  # a defect of ours costs this study an attempt, and no other
            logger.exception("assembly failed", extra=_about(study))
            self._failures[study.study_id] += 1
            if self._failures[study.study_id] >= MOST_FAILURES:
                guarded("assembly", partial(self._give_up, study, now))
            return AGAIN_S if self._failures[study.study_id] else 0.0
        self._failures.pop(study.study_id, None)
        return left_s

    def _give_up(self, study: WaitingStudy, now: datetime) -> None:
        reason = Reason.FAILED_REPEATEDLY
        self.queue.enqueue(study.study_id, self._recipes(study, ()), now, reason=reason)
        self.queued()
        self._failures.pop(study.study_id, None)

    def _enqueue(self, study: WaitingStudy, now: datetime) -> float:
        """Make the job; returns how long the study waits still, seconds."""
        cap_s = max(0.0, self._patience.left_until_cap_s(study.study_id))
        is_described = self._describe(study)
        if not self._is_ours(study, is_overdue=not cap_s):
            return AGAIN_S
        inputs = Inputs(self.ledger).waiting(study.study_id)
        if cap_s and not is_described and not self._may_lack_headers(study, inputs):
            return min(AGAIN_S, cap_s)
        self._unread.pop(study.study_id, None)
        lacking = set(self.assembly.needed_views) - {
            one.header.view for one in inputs if one.header is not None
        }
        if lacking and cap_s:
            self._lacking[study.study_id] = study.last_arrival_at
            return cap_s
        recipes = self._recipes(study, inputs)
        reason = Reason.VIEWS_MISSING if lacking else None
        if NO_MODEL in recipes:
            reason = Reason.NO_MODEL
        job_ids = self.queue.enqueue(
            study.study_id,
            recipes,
            now,
            priority=self._priority(inputs),
            reason=reason,
            hold_changed=self.assembly.changed_content == "hold",
        )
        crash_point("assemble:after-enqueue")
        if job_ids:
            self.queued()
            words = (
                f"study taken without {', '.join(sorted(lacking))}" if lacking else "study complete"
            )
            level = logging.WARNING if reason else logging.INFO
            asked = ", ".join(filter(None, recipes)) or "no model"
            extra = _about(study) | {"job": ", ".join(map(str, job_ids))}
            logger.log(level, "%s: %s", words, asked, extra=extra)
        return 0.0

    def _recipes(self, study: WaitingStudy, inputs: Sequence[WaitingInput]) -> dict[str, str]:
        """Return the recipes of the models that are asked, by their names; that of none else.

        A model that has read images of the study reads what there is of it now: its results would
        stand for images that they were not made from.
        """
        asked = Inputs(self.ledger).asked(study.study_id) | asked_of(inputs, self.route)
        return {name: it for name, it in self.recipes.items() if name in asked} or {NO_MODEL: ""}

    def _is_ours(self, study: WaitingStudy, *, is_overdue: bool) -> bool:
        """Tell whether this host makes the job: of those that live, the one that has the most.

        Where a silent host has images that we have not, the hard cap is waited for.
        """
        ours = self.ledger.place
        if ours is None:
            return True
        holders, silent = Inputs(self.ledger).holders(study.study_id), {None, *self.silent()}
        if holders in ([], [ours]):
            return True
        if next((one for one in holders if one == ours or one not in silent), None) != ours:
            return False
        has_all = Inputs(self.ledger).are_here(study.study_id)
        return has_all or is_overdue or not silent & set(holders)

    def _describe(self, study: WaitingStudy) -> bool:
        """Keep in the ledger what the headers say that nobody has read yet.

        Returns
        -------
        bool
            False when the spool does not give one of them now, the reading will see to it; or when
            another host has it and has not looked yet.
        """
        undescribed = Inputs(self.ledger).undescribed(study.study_id)
        headers: dict[int, str] = {}
        for one in undescribed:
            if not one.is_here:
                continue
            named = Header(one.sop_class_uid, one.sop_instance_uid, study.study_uid)
            try:
                header = self.describe(self.spool / one.file, named)
            except Unavailable as error:
                if not self._unread[study.study_id]:
                    logger.warning("a header waits: %s", error, extra=_about(study))
                continue
            headers[one.instance_id] = header.to_json()
            if header.unreadable:
                self.ledger.count(Signal.UNREADABLE_ATTRIBUTES, len(header.unreadable))
                words = "attributes left out: %s"
                logger.warning(words, ", ".join(header.unreadable), extra=_about(study))
        if headers:
            Inputs(self.ledger).describe(headers)
        return len(headers) == len(undescribed)

    def _may_lack_headers(self, study: WaitingStudy, inputs: Sequence[WaitingInput]) -> bool:
        """Tell whether a study may be taken although the spool does not give every header.

        One image that cannot be read shall cost no more than that image. While no header at all is
        known, nobody could tell whose study it is.
        """
        self._unread[study.study_id] += 1
        is_known = any(one.header is not None for one in inputs)
        return is_known and self._unread[study.study_id] >= MOST_FAILURES

    def _priority(self, inputs: Sequence[WaitingInput]) -> int:
        """Put urgent studies first, and last what we fetched ourselves."""
        callers = {one.origin.calling_ae for one in inputs}
        is_urgent = any(one.header is not None and one.header.urgent for one in inputs)
        if is_urgent or callers & set(self.assembly.urgent_callers):
            return URGENT
        return BATCH if callers == {FETCHED} else ROUTINE


def _about(study: WaitingStudy) -> dict[str, object]:
    return {"study": study_key(study.study_uid)}
