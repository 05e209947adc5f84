"""Hosts on one ledger: our heartbeat, the hosts without one, and the work left behind.

Whether another host lives is judged by its word changing, on our own monotonic clock: its wall
clock may show what it likes.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from daemon.clock import Clock, Stillness, Stopwatch
from daemon.intake.store.spool import digest_of, is_whole, orphans
from daemon.ledger.hosts.places import Places
from daemon.place import Place

logger = logging.getLogger(__name__)

BEAT_INTERVAL_S = 2.0
SILENT_AFTER_S = 60.0
"""A host that says nothing for so long is not waited for."""
_MOST_BETWEEN_LOOKS_S = 2 * BEAT_INTERVAL_S


@dataclass(eq=False)
class Neighbours:
    """The places of a ledger, as one of them sees the others.

    Attributes
    ----------
    places : Places
    clock : Clock
        What people are told.
    stopwatch : callable
    """

    places: Places
    clock: Clock
    stopwatch: Stopwatch
    _heard: Stillness[tuple[int, datetime | None]] = field(init=False)
    _silent: frozenset[int] = field(default=frozenset(), init=False)
    _said: datetime | None = field(default=None, init=False)
    _doubled: float | None = field(default=None, init=False)
    """When another daemon was last heard of that is this place, too, by the stopwatch."""

    def __post_init__(self) -> None:
        self._heard = Stillness(self.stopwatch, _MOST_BETWEEN_LOOKS_S)

    def start(self, place: Place) -> None:
        """Begin: tell the ledger which files lie here, and complete the studies they complete.

        Raises
        ------
        Unavailable
            The ledger does not answer.
        """
        if self.places.ledger.place is None:
            return
        self._beat()
        self.places.no_copy(self.clock())
        taken = self.places.take_unplaced(
            lambda file: (place.spool / file).is_file(),
            lambda file: (place.outbox / file).is_file(),
        )
        unknown = orphans(place.spool, self.places.ledger.files())
        files = [one.name for one in unknown if is_whole(one, digest_of(one.read_bytes()))]
        if copies := self.places.known_elsewhere(files):
            logger.warning(
                "spool: %d files lie on other hosts as well",
                copies,
            )
        if taken:
            logger.warning(
                "ledger: %d files of before it was shared belong to this host now", taken
            )
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
        self._listen()
        if self._silent and (jobs := self.places.take_over(self._silent)):
            logger.warning("%d jobs of silent hosts are read here, as their images are here", jobs)

    def _beat(self) -> None:
        """Say that we live; should another daemon have said so for us, say that."""
        now = self.clock()
        if self.places.beat(now, self._said):
            if self._doubled is None:
                logger.error(
                    "another daemon has a copy of this state folder: stop one of them, and remove "
                    "the file place.id from the copy before it starts again"
                )
            self._doubled = self.stopwatch()
        elif self._doubled is not None and self.stopwatch() - self._doubled >= SILENT_AFTER_S:
            self._doubled = None
            self.places.no_copy(now)
            logger.warning("the other daemon with a copy of this state folder is silent")
        self._said = now

    def silent(self) -> Collection[int]:
        """Return the places that have not said for a minute that they live."""
        return self._silent

    def _listen(self) -> None:
        """Hear who lives, and say who has fallen silent."""
        others = self.places.others()
        heard = self._heard.look([(one.number, one.seen_at) for one in others])
        before = self._silent
        self._silent = frozenset(
            number for (number, _), seen_s in heard.items() if seen_s >= SILENT_AFTER_S
        )
        for one in others:
            if one.number in self._silent - before:
                logger.warning("the daemon of %s has said nothing for a minute", one.label)
