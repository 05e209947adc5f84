"""Why an object holds no radiograph that can be read."""

from daemon.errors import Rejected
from daemon.reasons import Reason


class NotReadable(Rejected):
    """The object holds no radiograph that can be read; `reason` is what the reader is told.

    Parameters
    ----------
    reason : Reason
    detail : str
        Fixed words for the log: never text of the object, or of a library.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
