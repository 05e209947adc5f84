"""Named points between two durable operations, at which a test lets the process die.

`WRISTD_CRASH_AT=name` in the environment kills the process with SIGKILL at that point, as a power
cut would; without it a point costs one comparison.
"""

import os
import signal

_CRASH_AT = os.environ.get("WRISTD_CRASH_AT")


def crash_point(name: str) -> None:
    """Die here if the environment says so."""
    if _CRASH_AT is not None and name == _CRASH_AT:
        os.kill(os.getpid(), signal.SIGKILL)
