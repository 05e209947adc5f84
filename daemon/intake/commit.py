"""Record arrivals together: whoever waits shares the next sync of names and the next transaction.

Both cost much the same however much they cover. Each association leaves its arrival and queues for
the turn; who gets the turn commits all that wait, and the others find theirs done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from daemon.crashpoints import crash_point
from daemon.errors import Unavailable
from daemon.ledger.ledger import Ledger
from daemon.records import Arrival, Receipt


@dataclass
class _Waiting:
    """An arrival whose association waits, and what became of it."""

    arrival: Arrival
    receipt: Receipt | None = None
    problem: str | None = None

    @property
    def is_settled(self) -> bool:
        return self.receipt is not None or self.problem is not None


class Committer:
    """Records arrivals, those that wait together in one transaction; shared between threads.

    Parameters
    ----------
    ledger : Ledger
    sync_names : callable
        Makes the names of the files durable, before the ledger speaks of them; raises OSError.
    """

    def __init__(self, ledger: Ledger, sync_names: Callable[[], None]) -> None:
        self._ledger = ledger
        self._sync_names = sync_names
        self._turn = Lock()
        self._lock = Lock()
        self._waiting: list[_Waiting] = []
        self._is_closed = False

    def record(self, arrival: Arrival) -> Receipt:
        """Commit an arrival.

        Raises
        ------
        Unavailable
            Disk or ledger do not take it now.
        """
        mine = _Waiting(arrival)
        with self._lock:
            if self._is_closed:
                raise Unavailable("the receiver has stopped")
            self._waiting.append(mine)
        with self._turn:
            if not mine.is_settled:
                self._flush()
        if mine.receipt is None:
            raise Unavailable(mine.problem or "not committed")
        return mine.receipt

    def close(self) -> None:
        """Finish what waits; nothing is taken after this."""
        with self._lock:
            self._is_closed = True
        with self._turn:
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            self._sync_names()
            crash_point("names-synced")
            receipts = self._ledger.record([one.arrival for one in batch])
        except (OSError, Unavailable) as error:
            for one in batch:
                one.problem = str(error)
            return
        crash_point("arrivals-committed")
        for one, receipt in zip(batch, receipts, strict=True):
            one.receipt = receipt
