"""Bring the schema of a ledger up to date, and refuse one that a newer version made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine, create_engine, func, make_url, select
from sqlalchemy.exc import DBAPIError

from daemon.errors import Misconfigured

_MIGRATION = 0x77726973
"""The number of PostgreSQL's lock for it ("wris")."""
_ONE_THREAD = Lock()
"""What Alembic's scripts import is the same for all threads of a process."""
MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(engine: Engine) -> None:
    """Apply the migrations that are missing.

    Raises
    ------
    Misconfigured
        A newer version made it.
    """
    config = _config()
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
    if found == scripts.get_current_head():
        return
    config.attributes["engine"] = engine
    with _ONE_THREAD, _alone(engine):
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


def standing(where: Path | str, within_s: float) -> str:
    """Say in words how a ledger stands; nothing in it is changed, and none is made.

    Parameters
    ----------
    where : Path or str
        A SQLite file, or a SQLAlchemy URL.
    within_s : float
        Longest wait for a server, seconds.

    Raises
    ------
    Misconfigured
        It cannot be opened, or a newer version made it.
    """
    if isinstance(where, Path):
        engine = create_engine(f"sqlite:///file:{where}?mode=ro&uri=true", hide_parameters=True)
    else:
        wait = {"connect_timeout": max(1, int(within_s))}
        engine = create_engine(where, connect_args=wait, hide_parameters=True)
    scripts = ScriptDirectory.from_config(_config())
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        name = where if isinstance(where, Path) else make_url(where).render_as_string()
        raise Misconfigured(f"{name} cannot be opened: {error.orig}") from error
    finally:
        engine.dispose()
    known = {one.revision for one in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise Misconfigured(f"has schema {found}, which only a newer version knows")
    if found == scripts.get_current_head():
        return f"has schema {found}, that of this version"
    return f"has schema {found or 'none'}: the next start brings it up to date"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
