"""The disk is full, or fails, while studies come in: refused, never half kept, and it recovers."""

import os
import subprocess
import time
from contextlib import contextmanager

import pytest

from tests.chaos.conftest import IN_FLIGHT, moods, ward
from tests.chaos.test_kills import senders
from tests.support.tools import tool, wait_until

SIZE = "512m"
FILLS = 3


@contextmanager
def small_disk(folder):
    """Mount a small file system; skip where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "wristd-test", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk):
    """Leave nothing free."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"\0" * 65536):
                pass
        except OSError:
            return


def test_full_disk_refuses_and_loses_nothing(tmp_path, tiny_package):
    began = time.monotonic()
    with (
        small_disk(tmp_path / "disk") as disk,
        ward(tmp_path / "site", tiny_package, moods(3, 0.0), state=disk / "state") as (site, port),
    ):
        site.victim.start()
        assert site.victim.await_ready()
        traffic = site.send(port, senders(), seed=3)
        for number in range(1, FILLS + 1):
            before = len(traffic.promised)
            wait_until(lambda before=before: len(traffic.promised) > before, "traffic")
            _fill(disk)
            tried = traffic.sent
            # The senders hold back while too many studies wait for a report, as they do now.
            wait_until(
                lambda tried=tried: traffic.sent > tried + 5 or site.unreported() >= IN_FLIGHT,
                "refused attempts",
            )
            if number == FILLS:
                site.victim.kill()
                site.kills += 1
            (disk / "filler").unlink()
            if number == FILLS:
                site.victim.start()
        account, stuck = site.settle()
        took = time.monotonic() - began
        print(f"\ndisk full {FILLS} times: {took:.0f} s, {account}, stuck {stuck}")
        assert account.is_clean, account
        assert stuck == site.unsent == 0


def test_failing_sync_refuses_and_loses_nothing(tmp_path, tiny_package):
    """Every third fsync and fdatasync fails with EIO for a while, spool and ledger alike."""
    if tool("strace") is None:
        pytest.skip("strace is not installed")
    began = time.monotonic()
    with ward(tmp_path, tiny_package, moods(seed=4, share=0.0)) as (site, port):
        site.victim.start()
        assert site.victim.await_ready()
        traffic = site.send(port, senders(), seed=4)
        wait_until(lambda: len(traffic.promised) > 2, "traffic")
        inject = "inject=fsync,fdatasync:error=EIO:when=3+3"
        command = ["strace", "-f", "-qq", "-o", str(tmp_path / "strace.txt")]
        command += ["-p", str(site.victim.pid), "-e", "trace=fsync,fdatasync", "-e", inject]
        strace = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        tried = traffic.sent
        try:
            wait_until(lambda: traffic.sent > tried + 10 or strace.poll() is not None, "attempts")
        finally:
            strace.terminate()
            strace.wait(10)
        if not (tmp_path / "strace.txt").stat().st_size:
            pytest.skip("strace cannot attach here")
        account, stuck = site.settle()
        took = time.monotonic() - began
        print(f"\nEIO: {took:.0f} s, {account}, stuck {stuck}")
        assert account.is_clean, account
        assert stuck == 0
