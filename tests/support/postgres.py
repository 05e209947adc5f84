"""A private PostgreSQL for the tests: its own data folder, a Unix socket, no TCP port."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_SERVER_USER = "postgres"


def binaries() -> Path | None:
    """Return the folder of the newest installed server's programs."""
    return next((place for place in _PLACES if (place / "initdb").exists()), None)


@dataclass(frozen=True)
class Server:
    """A server that can be stopped and started again."""

    programs: Path
    folder: Path

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its database."""
        return f"postgresql+psycopg://wristd@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self.folder} -c listen_addresses= -c fsync=on"
        log = self.folder / "log"
        self._control("-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop it as a power cut would."""
        self._control("-w", "-m", "immediate", "stop")

    def _control(self, *arguments: object) -> None:
        _as_server(self.programs / "pg_ctl", "-D", self.folder / "data", *arguments)


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server, give the SQLAlchemy URL of its database, stop it and remove everything."""
    with postgres_server() as server:
        yield server.url


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Give a running server that may be stopped and started; remove everything."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed")
    # The path of a Unix socket must stay below 108 bytes: a short folder of its own.
    folder = Path(tempfile.mkdtemp(prefix="wristd-pg-", dir="/tmp"))
    server = Server(programs, folder)
    if os.getuid() == 0:
        owner = pwd.getpwnam(_SERVER_USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    try:
        data = folder / "data"
        _as_server(programs / "initdb", "-D", data, "-A", "trust", "-U", "wristd", "-N")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def emptied(url: str) -> str:
    """Drop whatever the database holds; return its URL."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return url


def _as_server(program: Path, *arguments: object) -> None:
    """Run a program as a user the server accepts: it refuses to run as root."""
    user = _SERVER_USER if os.getuid() == 0 else None
    command = [str(program), *map(str, arguments)]
    subprocess.run(command, user=user, check=True, capture_output=True, cwd="/", timeout=60)
