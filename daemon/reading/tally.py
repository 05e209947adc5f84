"""Where reading counts what happens and says what is so now: the ledger, or nothing at all."""

from typing import Protocol


class Tally(Protocol):
    """Keeps counters and flags; `daemon.ledger.ledger.Ledger` is one.

    Raises
    ------
    Unavailable
        It does not take them now.
    """

    def count(self, name: str, by: int = 1) -> None:
        """Add to a named counter."""

    def set_flag(self, name: str, *, on: bool) -> None:
        """Note that something is so now, or is not."""


class Untold:
    """A tally for a command: nobody asks for its counters once it has ended."""

    def count(self, name: str, by: int = 1) -> None:
        """Count nothing."""

    def set_flag(self, name: str, *, on: bool) -> None:
        """Note nothing."""
