"""Bring the schema of a ledger up to date, and refuse one that a newer version made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine, func, select

from daemon.errors import Misconfigured

_MIGRATION = 0x77726973
"""The number of PostgreSQL's lock for it ("wris")."""
MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(engine: Engine) -> None:
    """Apply the migrations that are missing.

    Raises
    ------
    Misconfigured
        A newer version made it.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    try:
        if found is not None:
            scripts.get_revision(found)
    except CommandError as error:
        raise Misconfigured(
            f"the ledger has schema {found}, which this version does not know; "
            "install the version that made it, or a newer one"
        ) from error
    config.attributes["engine"] = engine
    with _alone(engine):
        command.upgrade(config, "head")


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Let one host at a time migrate a ledger that several share."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.begin() as guard:
        guard.execute(select(func.pg_advisory_xact_lock(_MIGRATION)))
        yield
