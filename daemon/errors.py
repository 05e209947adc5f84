"""What can go wrong, sorted by what the daemon does about it.

::

    WristdError
    |-- Misconfigured   the operator must act: exit 78 at start
    |-- Rejected        this object or study can never work: never retried
    `-- Unavailable     something outside is not there now: tried again later

Messages carry no patient data: they may be logged.
"""

EXIT_MISCONFIGURED = 78
"""EX_CONFIG of sysexits.h; systemd shows it as such."""


class WristdError(Exception):
    """Base of the three."""


class Misconfigured(WristdError):
    """Settings, model package or ledger do not allow a start; the message names the cure."""


class Rejected(WristdError):
    """What arrived cannot be used, now or later."""


class Unavailable(WristdError):
    """A peer, a disk or a device does not answer now."""
