"""Free the disk of what is settled everywhere and old; of nothing else."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from daemon.clock import Clock
from daemon.crashpoints import crash_point
from daemon.errors import Unavailable
from daemon.ledger.retention import OldFiles, Retention
from daemon.settings import Place
from daemon.settings import Retention as Terms

logger = logging.getLogger(__name__)

PURGE_INTERVAL_S = 600.0


@dataclass(frozen=True, eq=False)
class Purge:
    """Removes files, then what the ledger says of them: a crash in between repeats the removal."""

    retention: Retention
    place: Place
    terms: Terms
    clock: Clock

    def turn(self) -> None:
        """Remove what may go now.

        Raises
        ------
        Unavailable
            The ledger or the disk does not answer; the rest goes at the next turn.
        """
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
        if studies or results:
            logger.info("purged: the files of %d studies, %d results", studies, results)


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
        raise Unavailable(f"purge: {error.strerror}") from error
