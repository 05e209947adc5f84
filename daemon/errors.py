"""What can go wrong, sorted by what the daemon does about it.

::

    WristdError
    |-- Misconfigured   the operator must act: exit 78 at start
    |-- Rejected        this object or study can never work: never retried
    `-- Unavailable     something outside is not there now: tried again later
        `-- Strained    it was there, and failed at this very piece of work

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


class Strained(Unavailable):
    """Memory, device, decoder or the medium of one file failed at a piece of work.

    It may be short at the moment, or the work may be too much for it: who fails again and again
    while others do not is the reason himself.

    Parameters
    ----------
    message : str
    others_work : bool
        Other work was tried right after, and done.
    """

    def __init__(self, message: str, *, others_work: bool = False) -> None:
        super().__init__(message)
        self.others_work = others_work


def system_error(error: BaseException) -> OSError | None:
    """Return the operating system's own error behind an exception; libraries wrap it in others."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None:
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def system_words(error: BaseException) -> str:
    """Say in the operating system's words what went wrong; never a path, never a value."""
    found = system_error(error)
    return found.strerror if found is not None and found.strerror else type(error).__name__
