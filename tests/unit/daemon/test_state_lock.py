"""One state folder, one daemon."""

import os
import subprocess
import sys

import pytest

from daemon.errors import Misconfigured
from daemon.state_lock import StateLock


def test_a_second_daemon_is_told_who_holds_the_folder(tmp_path):
    first = StateLock(tmp_path)
    with pytest.raises(Misconfigured, match=f"in use by another daemon .process {os.getpid()} on"):
        StateLock(tmp_path)
    first.release()
    StateLock(tmp_path).release()


def test_a_daemon_that_was_killed_holds_nothing(tmp_path):
    program = (
        f"from daemon.state_lock import StateLock\nfrom pathlib import Path\n"
        f"lock = StateLock(Path({str(tmp_path)!r}))\nprint('held', flush=True)\ninput()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Misconfigured, match=str(holder.pid)):
        StateLock(tmp_path)
    holder.kill()
    holder.communicate()
    StateLock(tmp_path).release()
