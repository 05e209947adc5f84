"""The nightly bells. APScheduler rings them; it never holds work.

It plans by the wall clock, as a night is a matter of the wall clock. Whatever is only repeated uses
`daemon.guarded.repeat`.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from daemon.guarded import guarded


class Bells:
    """Rings at an interval; a ring that was missed is not made up for.

    Parameters
    ----------
    turn : callable
        What is done at a ring.
    interval_s : float
    """

    def __init__(self, turn: Callable[[], object], interval_s: float) -> None:
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._job = self._scheduler.add_job(
            guarded,
            "interval",
            args=("the night's fetching", turn),
            seconds=interval_s,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        """Begin to ring."""
        self._scheduler.start()

    def plan_anew(self) -> None:
        """Ring now, and at the interval from then on: the wall clock was set."""
        self._job.modify(next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Ring no more; what a ring began is not waited for."""
        self._scheduler.shutdown(wait=False)
