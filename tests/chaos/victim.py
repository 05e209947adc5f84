"""A daemon that is killed again and again, always over the same state folder."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.tools import PeerError, wait_until

START_WITHIN_S = 60.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Victim:
    """One daemon at a time; `kill` and `start` as often as you like."""

    settings: Path
    zygote: "subprocess.Popen[str]"
    pid: int = 0
    starts: int = 0
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.settings.with_suffix(".log")
        self._pidfd = -1
        self._read = 0
        self._executed: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        return self._pidfd >= 0 and not select.select([self._pidfd], [], [], 0)[0]

    def start(self, crash_at: str | None = None, *, forked: bool = True) -> None:
        """Start a daemon; do not wait until it is ready."""
        self.starts += 1
        self._read = self.log.stat().st_size if self.log.exists() else 0
        self.pid = self._fork(crash_at) if forked else self._execute(crash_at)
        self._pidfd = os.pidfd_open(self.pid)

    def await_ready(self) -> bool:
        """Wait until the daemon listens; False when it died before."""
        wait_until(lambda: self._said("ready:") or not self.is_alive, "a start", START_WITHIN_S)
        return self.is_alive

    def await_death(self, within_s: float) -> bool:
        """Wait for the daemon to die by itself."""
        return bool(select.select([self._pidfd], [], [], within_s)[0])

    def signal(self, number: int) -> None:
        if self.is_alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process as a power cut would; nothing happens to a dead one."""
        self.signal(signal.SIGKILL)
        self._gone(10.0)

    def stop(self) -> None:
        """Stop it as systemd would."""
        self.signal(signal.SIGTERM)
        self._gone(20.0)

    def _gone(self, within_s: float) -> None:
        if self._pidfd < 0:
            return
        if not self.await_death(within_s):
            raise PeerError(f"process {self.pid} does not end")
        os.close(self._pidfd)
        self._pidfd = -1
        if self._executed is not None:
            self._executed.wait()
            self._executed = None

    def _said(self, words: str) -> bool:
        if not self.log.exists():
            return False
        with self.log.open() as log:
            log.seek(self._read)
            return words in log.read()

    def _fork(self, crash_at: str | None) -> int:
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        order = {"settings": str(self.settings), "log": str(self.log), "crash_at": crash_at}
        self.zygote.stdin.write(json.dumps(order) + "\n")
        self.zygote.stdin.flush()
        return int(self.zygote.stdout.readline())

    def _execute(self, crash_at: str | None) -> int:
        environment = dict(os.environ)
        if crash_at is not None:
            environment["WRISTD_CRASH_AT"] = crash_at
        command = [sys.executable, "-m", "daemon", "--config", str(self.settings)]
        with self.log.open("a") as log:
            self._executed = subprocess.Popen(command, stderr=log, env=environment, cwd=_ROOT)
        return self._executed.pid


@contextmanager
def victims(*settings: Path) -> Iterator[list[Victim]]:
    """Give a victim for each settings file, not running yet; nothing of them is left afterwards."""
    zygote = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    assert zygote.stdout is not None
    if zygote.stdout.readline().strip() != "ready":
        raise PeerError("the zygote did not start")
    all_of_them = [Victim(file, zygote) for file in settings]
    try:
        yield all_of_them
    finally:
        for one in all_of_them:
            one.kill()
        assert zygote.stdin is not None
        zygote.stdin.close()
        zygote.stdout.close()
        zygote.wait(10)
