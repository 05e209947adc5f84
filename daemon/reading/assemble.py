"""Decide when a study is complete. DICOM has no end-of-study message, so this is a rule."""

from datetime import datetime, timedelta

from daemon.records import WaitingStudy
from daemon.settings import Assembly


def is_complete(
    study: WaitingStudy, now: datetime, rule: Assembly, *, is_being_sent: bool = False
) -> bool:
    """Tell whether the quiet period has passed since the last instance, or the hard cap is reached.

    The quiet period counts from the last instance of *any* series of the study. While an
    association is still sending the study only the hard cap ends the wait. A last instance from
    the future (the clock was set back) must not hold the study until that time comes.
    """
    quiet = abs(now - study.last_arrival_at) >= timedelta(seconds=rule.quiet_period_s)
    return (quiet and not is_being_sent) or is_overdue(study, now, rule)


def is_overdue(study: WaitingStudy, now: datetime, rule: Assembly) -> bool:
    """Tell whether the hard cap is reached: then the study is taken as it is."""
    return now - study.waiting_since >= timedelta(seconds=rule.hard_cap_s)


def due_in_s(study: WaitingStudy, now: datetime, rule: Assembly) -> float:
    """Return after how many seconds a study counts as complete if nothing more comes; <= 0: now."""
    quiet_s = rule.quiet_period_s - (now - study.last_arrival_at).total_seconds()
    capped_s = rule.hard_cap_s - (now - study.waiting_since).total_seconds()
    return min(quiet_s, capped_s)
