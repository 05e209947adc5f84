"""Free the disk of what is settled everywhere and old, and of old refused objects; no others.

What is old is a matter of the wall clock, which may be wrong by years. When it is found far ahead
of what was last known, nothing is removed for a day: somebody may still set it right.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from daemon.clock import Chronometer
from daemon.crashpoints import crash_point
from daemon.errors import Unavailable, system_words
from daemon.intake.store.quarantine import Quarantine
from daemon.ledger.retention import OldFiles, Retention
from daemon.settings import Place, RetentionSettings

logger = logging.getLogger(__name__)

PURGE_INTERVAL_S = 600.0
DAY_S = 86400.0


@dataclass(eq=False)
class Purge:
    """Removes files, then what the ledger says of them: a crash in between repeats the removal."""

    retention: Retention
    place: Place
    terms: RetentionSettings
    clock: Chronometer
    _ahead: timedelta | None = field(default=None, init=False)
    """How far the wall clock was ahead of an even one at the last turn."""
    _not_before: float = field(default=0.0, init=False)
    """By the stopwatch."""

    def turn(self) -> None:
        """Remove what may go now.

        Raises
        ------
        Unavailable
            The ledger or the disk does not answer; the rest goes at the next turn.
        """
        if self._is_clock_in_doubt():
            return
        now = self.clock()
        before = now - timedelta(seconds=self.terms.inputs_s)
        studies = 0
        while old := self.retention.old_inputs(before):
            _remove(self.place.spool, old)
            crash_point("purge:inputs-removed")
            self.retention.forget_inputs(old)
            studies += len(old)
        before = now - timedelta(seconds=self.terms.results_s)
        results = 0
        while old := self.retention.old_results(before):
            _remove(self.place.outbox, old)
            crash_point("purge:results-removed")
            self.retention.forget_results(old, now)
            results += len(old)
        refused = self._remove_refused()
        if studies or results or refused:
            words = "purged: the files of %d studies, %d results, %d refused objects"
            logger.info(words, studies, results, refused)

    def _remove_refused(self) -> int:
        quarantine = Quarantine(self.place.quarantine, self.terms.refused_bytes)
        try:
            return quarantine.purge(self.clock().timestamp() - self.terms.refused_s)
        except OSError as error:
            raise Unavailable(f"purge: {system_words(error)}") from error

    def _is_clock_in_doubt(self) -> bool:
        """Tell whether the clock was set forward by more than a day, less than a day ago.

        At the first turn nobody saw that: the newest arrival is what is known of the time.
        """
        ahead = self.clock() - self.clock.steady()
        if self._ahead is None:
            newest = self.retention.newest_arrival()
            step = timedelta() if newest is None else self.clock() - newest
        else:
            step = ahead - self._ahead
        self._ahead = ahead
        if step > timedelta(seconds=DAY_S):
            self._not_before = self.clock.seconds() + DAY_S
            logger.warning(
                "nothing is purged for a day: by the clock, nothing has come for %d days. "
                "If the clock of this machine is wrong, set it right",
                step.days,
            )
        return self.clock.seconds() < self._not_before


def discard_half_results(outbox: Path) -> int:
    """Remove what was being written to the outbox when the daemon died; returns how many files."""
    parts = list(outbox.rglob("*.part"))
    for part in parts:
        part.unlink(missing_ok=True)
    if parts:
        logger.warning("outbox: %d half files discarded", len(parts))
    return len(parts)


def _remove(folder: Path, old: Sequence[OldFiles]) -> None:
    try:
        for file in (folder / name for one in old for name in one.files):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"purge: {system_words(error)}") from error
