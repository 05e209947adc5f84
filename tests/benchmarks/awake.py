"""Keep the processors from going to sleep while something is measured.

On some virtual machines a processor that sleeps wakes only with the next tick of its timer, so that
every wait for the disk takes 4 ms, whoever waits. A loop on each, at a priority that gives way to
everything else (SCHED_IDLE), shows what the disk and the receivers do.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LOOP = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"


@contextmanager
def processors_awake() -> Iterator[None]:
    """Keep every processor busy with nothing."""
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
