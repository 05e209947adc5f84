"""How a result is made: what cannot be made is left out, and the others still go.

A header or a map may hold what nobody thought of. One picture is worth less than the report, so
nothing narrower than every exception will do around each of them.
"""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from daemon.errors import Unavailable

Made = TypeVar("Made")

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
        The disk takes nothing: that is no fault of what is made.
    """
    try:
        return make()
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        left_out(kind, error)
        return None
