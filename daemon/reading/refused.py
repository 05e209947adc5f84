"""Why an image cannot be read."""

from daemon.errors import Rejected, Strained
from daemon.reasons import Reason


class NotReadable(Rejected):
    """The object holds no radiograph that can be read; `reason` is what the reader is told.

    The message is fixed words: it may be logged.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class FileUnavailable(Strained):
    """The disk does not give one file now."""
