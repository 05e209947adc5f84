"""Counters of the receiver, written to the ledger about once a second, many as one.

A crash may lose the last second of counting; nothing is decided by a counter.
"""

from collections import Counter
from threading import Condition, Event, Thread

from daemon.errors import Unavailable
from daemon.guarded import Said
from daemon.ledger.ledger import Ledger
from daemon.signals import Signal

INTERVAL_S = 1.0


class Counts:
    """Adds up events; safe to share between threads. `close` writes what is left."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._change = Condition()
        self._counts: Counter[Signal] = Counter()
        self._closing = Event()
        self._said = Said("counting")
        self._writer = Thread(target=self._write, name="counts", daemon=True)
        self._writer.start()

    def add(self, signal: Signal) -> None:
        """Count one event."""
        with self._change:
            self._counts[signal] += 1
            self._change.notify()

    def close(self) -> None:
        """Write what is left and end."""
        with self._change:
            self._closing.set()
            self._change.notify()
        self._writer.join()

    def _write(self) -> None:
        while not self._closing.is_set():
            with self._change:
                self._change.wait_for(lambda: self._counts or self._closing.is_set())
            self._closing.wait(INTERVAL_S)
            self._flush()

    def _flush(self) -> None:
        with self._change:
            counts, self._counts = self._counts, Counter()
        for signal in list(counts):
            try:
                self._ledger.count(signal, counts[signal])
            except Unavailable as error:
                self._said.waits(str(error))
                break
            self._said.worked()
            del counts[signal]
        with self._change:
            self._counts.update(counts)
