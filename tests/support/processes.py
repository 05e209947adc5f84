"""What Linux says of running processes, read from /proc."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

_CHILD = b"daemon.reading.child\0images"
_KB_PER_MB = 1024


def status(pid: int, field: str) -> int:
    """Return a number of /proc/PID/status, e.g. VmRSS in kB or Threads; 0 when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0


def family(pid: int) -> list[int]:
    """Return a process and all its living descendants."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def decoders(pid: int) -> list[int]:
    """Return the children of a daemon that decode images."""
    return [one for one in family(pid) if _CHILD in _command_line(one)]


def resident_mb(pid: int) -> float:
    """Return the memory in use by a process and its descendants, MB.

    A child that was just forked, and is no other program yet, is left out: it has its parent's.
    """
    itself = _command_line(pid)
    others = [one for one in family(pid)[1:] if _command_line(one) != itself]
    return sum(status(one, "VmRSS") for one in (pid, *others)) / _KB_PER_MB


class PeakMemory:
    """Watches the memory of a process and its descendants while its block runs."""

    def __init__(self, pid: int, interval_s: float = 0.02) -> None:
        self.before_mb = resident_mb(pid)
        self.peak_mb = self.before_mb
        self._pid, self._interval_s = pid, interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def growth_mb(self) -> float:
        """How much it has grown at most."""
        return self.peak_mb - self.before_mb

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._interval_s):
            self.peak_mb = max(self.peak_mb, resident_mb(self._pid))


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
