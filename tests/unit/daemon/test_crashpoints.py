"""A process dies at the point that its environment names, and nowhere else."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = "from daemon.crashpoints import crash_point; crash_point('here'); print('alive')"


@pytest.mark.parametrize(("named", "code"), [("here", -signal.SIGKILL), ("there", 0), (None, 0)])
def test_a_process_dies_at_the_named_point_alone(named, code):
    environment = {key: value for key, value in os.environ.items() if key != "WRISTD_CRASH_AT"}
    if named is not None:
        environment["WRISTD_CRASH_AT"] = named
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=False)
    assert done.returncode == code
