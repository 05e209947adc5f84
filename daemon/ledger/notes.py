"""Notes: what is so now, of whom, and since when; a row stands as long as it is so."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from daemon.ledger.ledger import Ledger, upsert
from daemon.ledger.tables import NoteRow
from daemon.signals import Signal


@dataclass(frozen=True)
class Noted:
    """One thing that is so now.

    Attributes
    ----------
    signal : Signal
    since : datetime
    subject : str
        What it is said of, such as a model; at most 64 characters.
    worker : str
        Who says it; several may share the ledger; at most 64 characters.
    words : str
        What more there is to say; at most 255 characters.
    """

    signal: Signal
    since: datetime
    subject: str = ""
    worker: str = ""
    words: str = ""


@dataclass(frozen=True)
class Notes:
    """The notes of one ledger."""

    ledger: Ledger

    def set(self, note: Noted, *, is_so: bool = True) -> None:
        """Say that something is so, or is not any more."""
        with self.ledger.transaction() as connection:
            set_note(connection, note, is_so=is_so)

    def forget(self, signals: Collection[Signal], worker: str) -> None:
        """Take down what workers have said whose names begin so."""
        theirs = NoteRow.worker.startswith(worker, autoescape=True)
        with self.ledger.transaction() as connection:
            connection.execute(delete(NoteRow).where(NoteRow.signal.in_(signals), theirs))

    def standing(self) -> list[Noted]:
        """Return all that is so now, oldest first."""
        with self.ledger.snapshot() as connection:
            return standing_notes(connection)


def set_note(connection: Connection, note: Noted, *, is_so: bool = True) -> None:
    """Say that something is so, or is not any more, within a transaction.

    What is said again in the same words is so since it was said first.
    """
    if not is_so:
        this = (
            NoteRow.signal == note.signal,
            NoteRow.subject == note.subject,
            NoteRow.worker == note.worker,
        )
        connection.execute(delete(NoteRow).where(*this))
        return
    new = upsert(connection, NoteRow).values(vars(note))
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[NoteRow.signal, NoteRow.subject, NoteRow.worker],
            set_={"since": new.excluded.since, "words": new.excluded.words},
            where=NoteRow.words != new.excluded.words,
        )
    )


def standing_notes(connection: Connection) -> list[Noted]:
    """Return all that is so now, oldest first; what a newer version says is none of ours."""
    query = select(NoteRow.__table__).where(NoteRow.signal.in_(list(Signal)))
    return [
        Noted(Signal.named(row.signal), row.since, row.subject, row.worker, row.words)
        for row in connection.execute(query.order_by(NoteRow.since, NoteRow.subject))
    ]
