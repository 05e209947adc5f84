"""The bytes of a data set, to be walked: there in full, or inflated piece by piece.

However large a deflated data set grows, only one piece of it is held, and the value that is wanted.
"""

import zlib
from typing import Protocol

from pydicom.uid import UID

from daemon.errors import Rejected

LONGEST_START = 12
"""Bytes before the value of an element, at most (PS3.5 7.1.2)."""
LONGEST_VALUE = 1 << 20
_FEED, _PIECE = 1 << 14, 1 << 16
"""Bytes that are inflated at a time, and what comes out at a time."""


class Unreadable(Rejected):
    """These bytes are no complete data set of their transfer syntax."""


class Oversized(Rejected):
    """A deflated data set grows beyond the limit."""


Shown = tuple[int, bytes | bytearray | memoryview, int]
"""Up to which position a data set is there, bytes of it, and the position of their first one."""


class Source(Protocol):
    """The bytes of a data set."""

    def show(self, position: int, kept: int | None) -> Shown:
        """Show the data set up to a position, if it is so long.

        Parameters
        ----------
        position : int
        kept : int or None
            Bytes from here on are shown too, because `value` will be asked for.
        """
        ...

    def value(self, start: int, length: int) -> memoryview:
        """Return bytes of what was shown last."""
        ...


class Whole:
    """A data set that is there in full."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._size = len(data)

    def show(self, _position: int, _kept: int | None) -> Shown:
        """Show all of it."""
        return self._size, self._data, 0

    def value(self, start: int, length: int) -> memoryview:
        """Return these bytes."""
        return self._data[start : start + length]


class Inflating:
    """A deflated data set (PS3.5 A.5: RFC 1951, no zlib header), inflated as it is walked.

    Parameters
    ----------
    data : bytes or memoryview
    max_bytes : int
        It may not inflate beyond this.
    max_value_bytes : int
        Nor may a value that is kept be longer than this.
    """

    def __init__(
        self, data: bytes | memoryview, max_bytes: int, max_value_bytes: int = LONGEST_VALUE
    ) -> None:
        self._data = data
        self._left = max_bytes
        self._max_value_bytes = max_value_bytes
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._fed = 0
        self._held = bytearray()
        self._start = 0
        """Where in the data set the bytes that are held begin."""

    def show(self, position: int, kept: int | None) -> Shown:
        """Inflate up to a position, and hold what is kept and the last bytes before it.

        Raises
        ------
        Unreadable
            The data are damaged or end too early.
        Oversized
            They grow beyond a limit.
        """
        needed = position - LONGEST_START if kept is None else min(kept, position - LONGEST_START)
        while (end := self._start + len(self._held)) < position:
            self._forget(min(end, needed))
            if kept is not None and len(self._held) > self._max_value_bytes:
                raise Oversized("a value is too large")
            piece = self._next()
            if not piece:
                break
            self._held += piece
        return end, self._held, self._start

    def value(self, start: int, length: int) -> memoryview:
        """Return bytes that were kept."""
        begin = start - self._start
        return memoryview(bytes(self._held[begin : begin + length]))

    def _forget(self, position: int) -> None:
        """Drop what lies before a position, where it is worth it."""
        drop = position - self._start
        if drop > _PIECE:
            del self._held[:drop]
            self._start = position

    def _next(self) -> bytes:
        """Inflate the next piece; empty at the end."""
        while not self._inflater.eof:
            feed = self._inflater.unconsumed_tail
            if not feed:
                feed = bytes(self._data[self._fed : self._fed + _FEED])
                self._fed += len(feed)
            try:
                piece = self._inflater.decompress(feed, _PIECE)
            except zlib.error as error:
                raise Unreadable("deflated data set is damaged") from error
            self._left -= len(piece)
            if self._left < 0:
                raise Oversized("deflated data set is too large")
            if piece:
                return piece
            if not feed:
                raise Unreadable("deflated data set is truncated")
        return b""


def source_of(
    data: bytes | memoryview,
    transfer_syntax: UID,
    max_bytes: int,
    max_value_bytes: int = LONGEST_VALUE,
) -> Source:
    """Return a data set as it came over the association, to be walked.

    Parameters
    ----------
    data : bytes or memoryview
    transfer_syntax : UID
    max_bytes, max_value_bytes : int
        A deflated data set may not inflate beyond this, nor a value that is kept.
    """
    if transfer_syntax.is_deflated:
        return Inflating(data, max_bytes, max_value_bytes)
    return Whole(data)
