"""Record arrivals together: whoever waits shares the next sync of names and the next transaction.

Both cost much the same however much they cover. The first association that comes leads: it commits
all that wait, wakes them, and hands the lead to one of those that came meanwhile. No thread polls:
it sleeps until its record is committed or it leads.
"""

from dataclasses import dataclass, field
from threading import Condition, Semaphore

from daemon.crashpoints import crash_point
from daemon.errors import Unavailable
from daemon.intake.store.spool import Spool
from daemon.ledger.ledger import Ledger
from daemon.records import Arrival, Receipt


@dataclass
class _Waiting:
    """An arrival whose association waits, and what became of it."""

    arrival: Arrival
    receipt: Receipt | None = None
    problem: str = "not committed"
    is_settled: bool = False
    woken: Semaphore = field(default_factory=lambda: Semaphore(0))
    """Released when it is settled, or shall lead."""


class Committer:
    """Records arrivals, those that wait together in one transaction; shared between threads.

    Parameters
    ----------
    ledger : Ledger
    spool : Spool
        Its names are synced before the ledger speaks of them.
    """

    def __init__(self, ledger: Ledger, spool: Spool) -> None:
        self._ledger = ledger
        self._spool = spool
        self._change = Condition()
        self._waiting: list[_Waiting] = []
        self._is_led = False
        self._is_closed = False

    def record(self, arrival: Arrival) -> Receipt:
        """Commit an arrival.

        Raises
        ------
        Unavailable
            Disk or ledger do not take it now.
        """
        mine = _Waiting(arrival)
        with self._change:
            if self._is_closed:
                raise Unavailable("the receiver has stopped")
            self._waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if not leads:
            mine.woken.acquire()
        if not mine.is_settled:
            self._lead()
        if mine.receipt is None:
            raise Unavailable(mine.problem)
        return mine.receipt

    def close(self) -> None:
        """Let what waits be finished; nothing is taken after this."""
        with self._change:
            self._is_closed = True
            self._change.wait_for(lambda: not self._is_led)

    def _lead(self) -> None:
        with self._change:
            batch, self._waiting = self._waiting, []
        try:
            self._commit(batch)
        finally:
            with self._change:
                following = self._waiting[:1]
                self._is_led = bool(following)
                self._change.notify_all()
            for one in batch:
                one.is_settled = True
            for one in following + batch:
                one.woken.release()

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            with self._spool.turn():
                self._spool.sync_names()
                crash_point("names-synced")
                receipts = self._ledger.record([one.arrival for one in batch])
        except (OSError, Unavailable) as error:
            for one in batch:
                one.problem = str(error)
            return
        crash_point("arrivals-committed")
        for one, receipt in zip(batch, receipts, strict=True):
            one.receipt = receipt
