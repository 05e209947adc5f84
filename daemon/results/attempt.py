"""How a result is made: what cannot be made is left out, and the others still go.

A header or a map may hold what nobody thought of. One picture is worth less than the report, so
nothing narrower than every exception will do around each of them.
"""

import errno
from collections.abc import Callable
from typing import NoReturn, TypeVar

from daemon.errors import Unavailable, system_error

Made = TypeVar("Made")

_LACKS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.ENOMEM,
        errno.EAGAIN,
        errno.EMFILE,
        errno.ENFILE,
    }
)
"""What the operating system says when it is not the object's fault."""

LeftOut = Callable[[str, Exception], None]
"""Told the kind of what is left out, and why; it counts and logs, or raises."""


def refuse(_kind: str, error: Exception) -> NoReturn:
    """Leave nothing out: what goes wrong is raised."""
    raise error


def attempt(kind: str, make: Callable[[], Made], left_out: LeftOut) -> Made | None:
    """Make something; if that fails tell `left_out` and return None.

    Raises
    ------
    Unavailable
        The disk takes nothing, or the machine has nothing left: no fault of what is made.
    """
    try:
        return make()
    except Unavailable:
        raise
    except Exception as error:
        failure = system_error(error)
        if failure is not None and failure.errno in _LACKS:
            raise Unavailable(f"results: {failure.strerror}") from error
        left_out(kind, error)
        return None
