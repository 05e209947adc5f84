"""Which process holds a state folder, and whether it listens on a port; asked of Linux."""

from pathlib import Path

from daemon.state_lock import FILE

_LISTENS = "0A"
"""State of a socket in /proc/net/tcp."""


def holder_of(folder: Path) -> int | None:
    """Return the process that holds a state folder; the lock itself is not touched."""
    try:
        inode = (folder / FILE).stat().st_ino
        locks = Path("/proc/locks").read_text()
    except OSError:
        return None
    for line in locks.splitlines():
        words = line.split()
        if "FLOCK" in words and words[5].endswith(f":{inode}"):
            return int(words[4])
    return None


def listens(process: int, port: int) -> bool:
    """Tell whether a process listens on a TCP port; False where we may not look."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    try:
        return any(str(one.readlink()) in sockets for one in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False


def _listening(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _number, local, _remote, state, *rest = line.split()
            if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
                found.add(rest[5])
    return found
