"""Hosts that share a ledger: say that we live, notice who does not, and go on where we can.

Whether another host lives is judged by its word changing, on our own monotonic clock: its wall
clock may show what it likes.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from time import monotonic

from daemon.clock import Clock
from daemon.intake.spool import digest_of, is_whole, orphans
from daemon.ledger.places import Places
from daemon.place import Place

logger = logging.getLogger(__name__)

DOUBLE = "alert_state_folder_copied"
"""Counter in the ledger: two daemons were one place, as after a machine was cloned."""
BEAT_INTERVAL_S = 2.0
SILENT_AFTER_S = 60.0
"""A host that says nothing for so long is not waited for."""


@dataclass(eq=False)
class Neighbours:
    """The places of a ledger, as one of them sees the others.

    Attributes
    ----------
    places : Places
    clock : Clock
        What people are told.
    elapsed_s : callable
        Monotonic seconds.
    """

    places: Places
    clock: Clock
    elapsed_s: Callable[[], float] = monotonic
    _heard: dict[int, tuple[datetime | None, float]] = field(default_factory=dict, init=False)
    _said: datetime | None = field(default=None, init=False)
    _is_double: bool = field(default=False, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def start(self, place: Place) -> None:
        """Begin: say what of the ledger lies here that it does not know, and what is whole by that.

        Raises
        ------
        Unavailable
            The ledger does not answer.
        """
        if self.places.ledger.place is None:
            return
        self._beat()
        taken = self.places.take_unplaced(
            lambda file: (place.spool / file).is_file(),
            lambda file: (place.outbox / file).is_file(),
        )
        unknown = orphans(place.spool, self.places.ledger.files())
        files = [one.name for one in unknown if is_whole(one, digest_of(one.read_bytes()))]
        if copies := self.places.known_elsewhere(files):
            logger.warning("spool: %d files lie on other hosts, too", copies)
        if taken:
            logger.warning("ledger: %d files of before belong to this host now", taken)
        if whole := self.places.reunite(self.clock()):
            logger.warning("%d studies are whole here now: they are read again", whole)

    def turn(self) -> None:
        """Say that we live, listen to the others, and take over what they leave and we have.

        Raises
        ------
        Unavailable
            The ledger does not answer.
        """
        if self.places.ledger.place is None:
            return
        self._beat()
        before = self.silent()
        self._listen(self.places.seen())
        silent = self.silent()
        for number in silent - before:
            logger.warning("place %d has been silent for a minute", number)
        if silent and (jobs := self.places.take_over(silent)):
            logger.warning("%d jobs of silent places are read here: we have their images", jobs)

    def _beat(self) -> None:
        """Say that we live; should another daemon have said so for us, say that."""
        now = self.clock()
        before = self.places.beat(now)
        if self._said not in (None, before) and not self._is_double:
            self._is_double = True
            self.places.ledger.count(DOUBLE)
            logger.error(
                "another daemon has a copy of this state folder: stop one of them, and remove the "
                "file place.id from the copy before it starts again"
            )
        self._said = now

    def silent(self) -> set[int]:
        """Return the places that have not said for a minute that they live."""
        limit = self.elapsed_s() - SILENT_AFTER_S
        with self._lock:
            return {number for number, (_, since) in self._heard.items() if since <= limit}

    def _listen(self, seen: dict[int, datetime | None]) -> None:
        now = self.elapsed_s()
        with self._lock:
            for number, word in seen.items():
                if number not in self._heard or self._heard[number][0] != word:
                    self._heard[number] = (word, now)
