"""A private PostgreSQL for the tests: its own data folder, a Unix socket, no TCP port."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_SERVER_USER = "postgres"


def binaries() -> Path | None:
    """Return the folder of the newest installed server's programs."""
    return next((place for place in _PLACES if (place / "initdb").exists()), None)


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server, give the SQLAlchemy URL of its database, stop it and remove everything."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed")
    # The path of a Unix socket must stay below 108 bytes: a short folder of its own.
    folder = Path(tempfile.mkdtemp(prefix="wristd-pg-", dir="/tmp"))
    data = folder / "data"
    if os.getuid() == 0:
        owner = pwd.getpwnam(_SERVER_USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    try:
        _as_server(programs / "initdb", "-D", data, "-A", "trust", "-U", "wristd", "-N")
        options = f"-k {folder} -c listen_addresses= -c fsync=on"
        log = folder / "log"
        _as_server(programs / "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
        try:
            yield f"postgresql+psycopg://wristd@/postgres?host={folder}"
        finally:
            _as_server(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_server(program: Path, *arguments: object) -> None:
    """Run a program as a user the server accepts: it refuses to run as root."""
    user = _SERVER_USER if os.getuid() == 0 else None
    command = [str(program), *map(str, arguments)]
    subprocess.run(command, user=user, check=True, capture_output=True, cwd="/", timeout=60)
