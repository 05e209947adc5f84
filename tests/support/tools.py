"""Programs of others, free ports, and waiting with an end."""

import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydicom import FileDataset

_PORTS = range(20_000, 32_000)
"""Below those that Linux takes for outgoing connections."""


class PeerError(Exception):
    """A peer did not do what was asked of it."""


def tool(name: str) -> str | None:
    """Return the path of a program; system folders count for everybody."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which(name, path=path)


def run_tool(name: str, *arguments: str | Path, within_s: float = 60.0) -> tuple[int, str]:
    """Run a program; return its exit code and everything it wrote."""
    program = tool(name)
    if program is None:
        raise PeerError(f"{name} is not installed")
    try:
        done = subprocess.run(
            [program, *map(str, arguments)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"{name} did not end within {within_s:.0f} s") from error
    return done.returncode, done.stdout + done.stderr


def storescu(port: int, called: str, *files: Path, calling: str = "STORESCU") -> tuple[int, str]:
    """Send files with DCMTK, each in its own transfer syntax; 0 means every one was accepted."""
    arguments = ["-aet", calling, "-aec", called, "-R", "127.0.0.1", str(port)]
    return run_tool("storescu", *arguments, *files)


def validation_errors(dataset: FileDataset, folder: Path) -> list[str]:
    """Return what dciodvfy has against an object."""
    file = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(file, enforce_file_format=True)
    return [line for line in run_tool("dciodvfy", file)[1].splitlines() if "Error" in line]


def free_port() -> int:
    """Return a TCP port that nobody uses at the moment and no outgoing connection is given."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(
    condition: Callable[[], bool], what: str, within_s: float = 60.0, every_s: float = 0.1
) -> None:
    """Poll until the condition holds.

    Raises
    ------
    PeerError
        It did not hold in time.
    """
    pause = threading.Event()
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return
        pause.wait(every_s)
    raise PeerError(f"waited {within_s:.0f} s in vain for: {what}")


def end_process(process: subprocess.Popen[Any], within_s: float) -> int:
    """Ask a process to stop; kill it if it does not."""
    process.terminate()
    try:
        return int(process.wait(within_s))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise PeerError(f"{process.args!r} did not stop within {within_s:.0f} s") from None
