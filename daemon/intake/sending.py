"""Which studies are being sent: none is complete while its next image is on its way."""

from threading import Lock


class Sending:
    """Remembers what each association has sent; safe to share between threads.

    A study is being sent while an association that has brought an image of it brings another
    object, of whichever study: which one is known only when it is whole.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._brought: dict[object, set[str]] = {}
        self._busy: set[object] = set()

    def begins(self, association: object) -> None:
        """Note that an association brings an object."""
        with self._lock:
            self._busy.add(association)

    def ends(self, association: object, study_uid: str | None) -> None:
        """Note that it is whole, or not taken; `study_uid` says whose it is, if known."""
        with self._lock:
            self._busy.discard(association)
            if study_uid is not None:
                self._brought.setdefault(association, set()).add(study_uid)

    def left(self, association: object) -> None:
        """Forget an association that has ended."""
        with self._lock:
            self._busy.discard(association)
            self._brought.pop(association, None)

    def studies(self) -> set[str]:
        """Return the Study Instance UIDs of the studies that are being sent."""
        with self._lock:
            return set().union(*(self._brought.get(one, set()) for one in self._busy))
