"""Connections whose first message is not whole yet: each costs a socket, but no thread.

The kernel wakes the listener when enough has come (SO_RCVLOWAT): first for a header, then for the
message that the header announces. A client that says nothing, or begins a TLS handshake and stops,
wakes nobody.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from selectors import EVENT_READ, BaseSelector
from time import monotonic

from daemon.intake.association.pdu import HEADER, PduType
from daemon.intake.association.wire import Wire

_MOST_AWAITED = 32 * 1024
"""Bytes: what is longer is read by the thread that serves the connection."""
_HANDSHAKE = 0x16
"""Content type of a TLS record (RFC 8446 5.1)."""

Length = Callable[[bytes], int]
"""Tells from the first bytes how long a message is; 0 where they do not begin one."""


@dataclass(eq=False)
class Guest:
    """A connection that waits, where it comes from, until when it may wait, for how many bytes."""

    wire: Wire
    host: str
    until: float
    awaited: int = HEADER.size


class Lobby:
    """Where connections wait; belongs to the listener's thread.

    Parameters
    ----------
    selector : BaseSelector
        The listener's; its keys hold a `Guest` as data for each connection that waits.
    length : callable
        See `Length`.
    within_s : float
        How long the first message may take.
    """

    def __init__(self, selector: BaseSelector, length: Length, within_s: float) -> None:
        self._selector = selector
        self._length = length
        self._within_s = within_s
        self._guests: dict[Wire, Guest] = {}

    def enter(self, wire: Wire, host: str) -> None:
        """Let a connection wait for its first message."""
        guest = Guest(wire, host, monotonic() + self._within_s)
        wire.wake_at(guest.awaited)
        self._selector.register(wire, EVENT_READ, guest)
        self._guests[wire] = guest

    def may_go_on(self, guest: Guest) -> bool:
        """Tell whether a connection that woke us needs its thread now.

        That is so when its message is whole, is none, or will not become whole: a connection that
        wakes us with fewer bytes than it was to wait for has ended. One that has left goes nowhere.
        """
        if guest.wire not in self._guests:
            return False
        start = guest.wire.peek(HEADER.size)
        length = self._length(start) if len(start) == HEADER.size else 0
        awaited = min(length, _MOST_AWAITED)
        if awaited <= guest.awaited or len(guest.wire.peek(awaited)) == awaited:
            return True
        guest.awaited = awaited
        guest.wire.wake_at(awaited)
        return False

    def leave(self, wire: Wire) -> bool:
        """Let a connection wait no more; False where it did not."""
        if self._guests.pop(wire, None) is None:
            return False
        self._selector.unregister(wire)
        return True

    def late(self) -> Iterator[Guest]:
        """Yield each connection that has waited too long; it waits no more."""
        while self._guests and (oldest := next(iter(self._guests.values()))).until <= monotonic():
            self.leave(oldest.wire)
            yield oldest

    def until_next_s(self) -> float | None:
        """Return in how many seconds the next connection will have waited too long."""
        oldest = next(iter(self._guests.values()), None)
        return None if oldest is None else max(0.0, oldest.until - monotonic())

    def empty(self) -> Iterator[Guest]:
        """Yield each connection that waits; it waits no more."""
        for guest in list(self._guests.values()):
            self.leave(guest.wire)
            yield guest


def length_of_request(start: bytes) -> int:
    """Return the bytes of an association request whose first six these are (PS3.8 9.3.2)."""
    kind, length = HEADER.unpack(start)
    return HEADER.size + length if kind == PduType.ASSOCIATE_RQ else 0


def length_of_hello(start: bytes) -> int:
    """Return the bytes of a TLS record whose first six these are (RFC 8446 5.1)."""
    return 5 + int.from_bytes(start[3:5]) if start[0] == _HANDSHAKE else 0
