"""One state folder has one daemon: two would send everything twice."""

import fcntl
import os
import socket
from pathlib import Path

from daemon.errors import Misconfigured

FILE = "daemon.lock"


class StateLock:
    """Holds a state folder from now on; released with `release`, or when the process ends.

    Parameters
    ----------
    folder : Path
        It exists; nothing else in it is touched before.

    Raises
    ------
    Misconfigured
        Another daemon holds it; the message names it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 200).decode("ascii", "replace").strip()
            self.release()
            raise Misconfigured(
                f"node.state_dir: {folder} is in use by another daemon ({holder or 'unknown'}); "
                "stop that one, or give this one a folder of its own"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)

    def release(self) -> None:
        """Let the folder go; harmless when repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
