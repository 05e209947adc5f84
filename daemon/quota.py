"""How often the same may be said in a minute; what goes beyond is counted, not said."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

OTHERS = "others"
"""Stands for all hosts for which there is no room any more."""


class MessageKind(NamedTuple):
    """What counts as the same."""

    logger: str
    level: int
    words: str
    """The fixed beginning of the message."""
    host: str
    """Whom it is about."""


@dataclass
class _Window:
    begun: float
    said: int = 0
    held_back: int = 0


class Quota:
    """Lets the first few of each kind pass in a window of time; for one thread at a time.

    Parameters
    ----------
    most : int
        How many of a kind pass in one window.
    every_s : float
        Length of a window, seconds; it begins with the first of its kind.
    most_kinds : int
        How many windows are kept; beyond it further hosts share theirs.
    stopwatch : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        most: int,
        every_s: float,
        most_kinds: int = 256,
        stopwatch: Callable[[], float] = monotonic,
    ) -> None:
        self._most = most
        self.every_s = every_s
        self._most_kinds = most_kinds
        self._stopwatch = stopwatch
        self._windows: dict[MessageKind, _Window] = {}
        self._untold: list[tuple[MessageKind, int]] = []

    def passes(self, kind: MessageKind) -> bool:
        """Count one; tells whether it may be said."""
        self._close(self._stopwatch() - self.every_s)
        if kind not in self._windows and len(self._windows) >= self._most_kinds:
            kind = kind._replace(host=OTHERS)
        window = self._windows.setdefault(kind, _Window(self._stopwatch()))
        if window.said < self._most:
            window.said += 1
            return True
        window.held_back += 1
        return False

    @property
    def is_holding(self) -> bool:
        """Whether something was held back that was not told yet."""
        return bool(self._untold) or any(one.held_back for one in self._windows.values())

    def held_back(self, *, everything: bool = False) -> list[tuple[MessageKind, int]]:
        """Return, once, how many were not said of each kind, of the windows that have ended.

        Parameters
        ----------
        everything : bool
            Of those that have not ended, too.
        """
        self._close(float("inf") if everything else self._stopwatch() - self.every_s)
        untold, self._untold = self._untold, []
        return untold

    def _close(self, begun_until: float) -> None:
        for kind, window in list(self._windows.items()):  # in the order in which they began
            if window.begun > begun_until:
                return
            del self._windows[kind]
            if window.held_back:
                self._untold.append((kind, window.held_back))
