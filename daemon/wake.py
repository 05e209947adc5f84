"""Bells: how one room tells another that there is something to do, with no timer between them.

Nothing depends on a ring: what is to be done stands in the ledger, and whoever waits on a bell
looks again by himself after a while. That also finds what another process or host has left there,
and what falls due.
"""

from threading import Event


class Bell:
    """Wakes the one loop that waits on it; rung while nobody waits, it is heard by the next wait.

    Ring it after the ledger has what it is about: the loop reads the ledger only after it has
    heard it.
    """

    def __init__(self) -> None:
        self._rung = Event()

    def ring(self) -> None:
        """Wake the loop, from whichever thread; any number of rings before it wakes count once."""
        self._rung.set()

    def wait(self, within_s: float) -> bool:
        """Wait for a ring, but no longer than so many seconds; tell whether it rang."""
        rang = self._rung.wait(within_s)
        self._rung.clear()
        return rang
