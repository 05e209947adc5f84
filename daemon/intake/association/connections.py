"""Who is connected, and how many may be (PS3.8 has no word on it; a hostile network has).

A connection is half-open until its association is accepted. Too many half-open ones cost only the
oldest from the address that has most of them: a real sender asks at once, a client that sits idle
grows old, and a crowd from elsewhere costs nobody else.
"""

from collections import Counter
from threading import Condition
from time import monotonic

from daemon.intake.association.wire import Wire


class Connections:
    """The connections of one receiver; safe to share between threads.

    Parameters
    ----------
    max_half_open, max_associations, max_per_peer : int
        `max_per_peer` is for each IP address.
    """

    def __init__(self, max_half_open: int, max_associations: int, max_per_peer: int) -> None:
        self._max_half_open = max_half_open
        self._max_associations = max_associations
        self._max_per_peer = max_per_peer
        self._change = Condition()
        self._half_open: dict[Wire, str] = {}
        self._established: dict[Wire, str] = {}

    def __len__(self) -> int:
        """Return how many connections there are."""
        return len(self._half_open) + len(self._established)

    def enter(self, wire: Wire, host: str) -> Wire | None:
        """Take a new connection in; returns the half-open one that has to be cut for it."""
        with self._change:
            oldest = None
            if len(self._half_open) >= self._max_half_open:
                oldest = self._oldest_of_the_crowd()
                del self._half_open[oldest]
            self._half_open[wire] = host
        return oldest

    def _oldest_of_the_crowd(self) -> Wire:
        [(crowded, _count)] = Counter(self._half_open.values()).most_common(1)
        return next(wire for wire, host in self._half_open.items() if host == crowded)

    def establish(self, wire: Wire) -> bool:
        """Count a connection as an association; False if there are too many already."""
        with self._change:
            host = self._half_open.get(wire)
            if host is None:
                return False
            from_there = Counter(self._established.values())[host]
            if len(self._established) >= self._max_associations or from_there >= self._max_per_peer:
                return False
            del self._half_open[wire]
            self._established[wire] = host
            return True

    def leave(self, wire: Wire) -> None:
        """Forget a connection that has ended."""
        with self._change:
            self._half_open.pop(wire, None)
            self._established.pop(wire, None)
            self._change.notify_all()

    def cut_all(self) -> None:
        """Cut every connection."""
        with self._change:
            wires = [*self._half_open, *self._established]
        for wire in wires:
            wire.cut()

    def wait_until_empty(self, within_s: float) -> bool:
        """Wait until every connection has ended; tells whether it did."""
        deadline = monotonic() + within_s
        with self._change:
            return self._change.wait_for(lambda: len(self) == 0, max(0.0, deadline - monotonic()))
