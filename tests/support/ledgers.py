"""Empty ledgers: the migrations run once in a process, each test gets a copy of what they made."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from daemon.ledger.ledger import Ledger

_TEMPLATE, _COPY = "template_of_ledgers", "ledger_of_a_test"


def empty_file(file: Path) -> Path:
    """Put an empty SQLite ledger of this version there; return its path."""
    file.write_bytes(_migrated_file())
    return file


def empty_database(url: str) -> str:
    """Make a database of that PostgreSQL server anew, an empty ledger; return its URL."""
    template = _migrated_database(url)
    _execute(
        url,
        f"DROP DATABASE IF EXISTS {_COPY} WITH (FORCE)",
        f"CREATE DATABASE {_COPY} TEMPLATE {template}",
    )
    return _beside(url, _COPY)


@cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite"
        Ledger(file).close()
        return file.read_bytes()


@cache
def _migrated_database(url: str) -> str:
    _execute(url, f"CREATE DATABASE {_TEMPLATE}")
    Ledger(_beside(url, _TEMPLATE)).close()
    return _TEMPLATE


def _beside(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
