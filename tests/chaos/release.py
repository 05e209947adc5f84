"""A person who looks after held studies: each of those is released as soon as it is held."""

import threading
from collections.abc import Collection
from pathlib import Path

from daemon.clock import utc_now
from daemon.errors import Rejected, Unavailable
from daemon.ledger.jobs.decisions import Decisions
from daemon.ledger.ledger import Ledger

INTERVAL_S = 0.2


class Releaser:
    """Releases studies in a ledger that a daemon uses, dead or alive, until it is closed.

    Parameters
    ----------
    where : Path or str
        The ledger; it is opened when there is something to release.
    studies : collection of str
        Study Instance UIDs; may grow.
    """

    def __init__(self, where: Path | str, studies: Collection[str]) -> None:
        self.released: set[str] = set()
        self._where, self._studies = where, studies
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; harmless when repeated."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        ledger = None
        while not self._stop.wait(INTERVAL_S):
            held = set(self._studies) - self.released
            if held and ledger is None:
                ledger = Ledger(self._where)
            if ledger is not None:
                self.released |= {one for one in held if _release(Decisions(ledger), one)}
        if ledger is not None:
            ledger.close()


def _release(decisions: Decisions, study_uid: str) -> bool:
    """Release a study; False when it is not held at the moment, or the ledger cannot say."""
    try:
        study_id = decisions.find(study_uid)
        return study_id is not None and bool(decisions.release(study_id, utc_now()).jobs)
    except (Rejected, Unavailable):
        return False
