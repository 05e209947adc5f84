"""Where reading counts what happens and says what is so now: the ledger, or nothing at all."""

from dataclasses import dataclass
from typing import Protocol

from daemon.ledger.ledger import Ledger
from daemon.ledger.notes import Noted, Notes
from daemon.signals import Signal


class Signalling(Protocol):
    """Keeps counters and notes.

    Raises
    ------
    Unavailable
        It does not take them now.
    """

    def count(self, signal: Signal, by: int = 1, label: str = "") -> None:
        """Add to a counter."""

    def note(self, note: Noted, *, is_so: bool = True) -> None:
        """Say that something is so now, or is not any more."""


@dataclass(frozen=True)
class InLedger:
    """Counts and notes in the ledger."""

    ledger: Ledger

    def count(self, signal: Signal, by: int = 1, label: str = "") -> None:
        """Add to a counter."""
        self.ledger.count(signal, by, label)

    def note(self, note: Noted, *, is_so: bool = True) -> None:
        """Say that something is so now, or is not any more."""
        Notes(self.ledger).set(note, is_so=is_so)


class Untold:
    """For a command: nobody asks for its counters once it has ended."""

    def count(self, signal: Signal, by: int = 1, label: str = "") -> None:
        """Count nothing."""

    def note(self, note: Noted, *, is_so: bool = True) -> None:
        """Note nothing."""
