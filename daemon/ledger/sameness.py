"""Notice that the ledger under a running daemon is not the one it began with.

A SQLite file that was deleted or replaced stays open, and takes what is written for nobody; a
database may be dropped and made anew, or another be restored in its place. Nothing acknowledged is
lost by that: its file is in the spool. But only a start looks for it there.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from daemon.errors import Unavailable
from daemon.ledger.ledger import IDENTITY, Ledger, upsert
from daemon.ledger.tables import CounterRow
from daemon.ledger.trouble import has_no_table

_BITS = 62


@dataclass(frozen=True)
class _Sign:
    """What tells a ledger from another: its number, and for SQLite device and inode."""

    number: int | None
    place: tuple[int, int] | None


class Sameness:
    """Remembers which ledger it is.

    Parameters
    ----------
    ledger : Ledger
        Open; it gets its number if it has none.

    Raises
    ------
    Unavailable
        It does not answer.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        new = {"name": IDENTITY, "value": secrets.randbits(_BITS)}
        with ledger.transaction() as connection:
            connection.execute(upsert(connection, CounterRow).values(new).on_conflict_do_nothing())
        self._sign = _Sign(_number(ledger), _place(ledger.file))

    def loss(self) -> str:
        """Return in words what became of the ledger; empty while it is the same.

        Raises
        ------
        Unavailable
            It does not answer: nobody knows.
        """
        if self._ledger.file is not None:
            place = _place(self._ledger.file)
            if place is None:
                return f"the ledger {self._ledger.file} was deleted"
            if place != self._sign.place:
                return f"the ledger {self._ledger.file} was replaced by another file"
        if _number(self._ledger) != self._sign.number:
            return "the ledger was replaced by another database"
        return ""


def _number(ledger: Ledger) -> int | None:
    """Return the number of a ledger; None where there is none, or no table for it."""
    query = select(CounterRow.value).where(CounterRow.name == IDENTITY)
    try:
        with ledger.snapshot() as connection:
            return connection.scalar(query)
    except Unavailable as error:
        cause = error.__cause__
        if isinstance(cause, DBAPIError) and has_no_table(cause.orig):
            return None
        raise


def _place(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"ledger: {error.strerror}") from error
    return found.st_dev, found.st_ino
