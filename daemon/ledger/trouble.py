"""What a database's error means, in fixed words: its own text may quote values."""

import sqlite3

from sqlalchemy.exc import DBAPIError

_SQLITE = {
    "SQLITE_BUSY": "another process keeps it locked",
    "SQLITE_LOCKED": "another process keeps it locked",
    "SQLITE_FULL": "no space left on its disk",
    "SQLITE_IOERR": "its disk fails",
    "SQLITE_CANTOPEN": "its file cannot be opened",
    "SQLITE_READONLY": "its file is read-only",
    "SQLITE_CORRUPT": "its file is damaged",
    "SQLITE_NOTADB": "its file is no database",
}
"""By the primary name of SQLite's result code (https://www.sqlite.org/rescode.html)."""

_POSTGRESQL = {
    "08": "no connection",
    "28": "it does not let us in",
    "3D": "there is no database of this name",
    "42": "it is not the ledger's schema",
    "53": "it has no disk space, memory or connections left",
    "57": "it is shutting down, starting up, or ended the connection",
    "58": "its disk fails",
    "XX": "it is damaged",
}
"""By the class of the SQLSTATE (PostgreSQL manual, appendix A)."""

_SAID_BY_NO_SERVER = "no connection"
_MAY_PASS = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")
_MAY_PASS_CLASSES = ("08", "53", "57", "58")


def in_words(error: BaseException | None) -> str:
    """Return what is wrong, with the driver's name for it."""
    name = _name(error)
    words = _SQLITE.get(name) or _POSTGRESQL.get(name[:2]) or _unknown(error, name)
    return f"{words} ({type(error).__name__}{f' {name}' if name else ''})"


def passes(error: DBAPIError) -> bool:
    """Tell whether it may be over by itself: the server is away, or somebody has a lock."""
    name = _name(error.orig)
    if isinstance(error.orig, sqlite3.Error):
        return name in _MAY_PASS
    return name[:2] in _MAY_PASS_CLASSES or _has_no_server(error.orig, name)


def has_no_table(error: BaseException | None) -> bool:
    """Tell whether a table is not there: it is another database than it was."""
    if isinstance(error, sqlite3.Error):
        return str(error).startswith("no such table")
    return _name(error) in ("42P01", "3F000")


def _name(error: BaseException | None) -> str:
    """Return SQLite's primary name of an error, or an SQLSTATE; empty where there is none."""
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", None) or ""
        return "_".join(name.split("_")[:2])
    return getattr(error, "sqlstate", None) or ""


def _unknown(error: BaseException | None, name: str) -> str:
    return _SAID_BY_NO_SERVER if _has_no_server(error, name) else "it does not take this"


def _has_no_server(error: BaseException | None, name: str) -> bool:
    return not name and type(error).__name__ == "OperationalError"
