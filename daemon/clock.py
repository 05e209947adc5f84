"""The only place that asks the machine for the time; everywhere else time is an argument."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time; tests pass one that stands still."""

    def __call__(self) -> datetime:
        """Return the present, aware."""
        ...


def utc_now() -> datetime:
    """Return the present in UTC."""
    return datetime.now(UTC)
