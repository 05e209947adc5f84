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


class Source(Protocol):
    """The bytes of a data set."""

    def at(self, position: int) -> tuple[bytes | memoryview, int]:
        """Return bytes, and where in them a position is: the 12 bytes from there, if there are."""
        ...

    def reaches(self, position: int) -> bool:
        """Tell whether the data set is as long as this."""
        ...

    def keep(self, start: int | None) -> None:
        """Keep the bytes from here on, because `value` will be asked for; None keeps none."""
        ...

    def value(self, start: int, length: int) -> memoryview:
        """Return bytes that were kept."""
        ...


class Whole:
    """A data set that is there in full."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._size = len(data)

    def at(self, position: int) -> tuple[bytes | memoryview, int]:
        """Return the data set and the position itself."""
        return self._data, position

    def reaches(self, position: int) -> bool:
        """Tell whether the data set is as long as this."""
        return position <= self._size

    def keep(self, start: int | None) -> None:
        """Do nothing: all is kept."""

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
        self._kept: int | None = None

    def at(self, position: int) -> tuple[bytes | memoryview, int]:
        """Return the bytes that are held, and where in them the position is."""
        self.reaches(position + LONGEST_START)
        begin = position - self._start
        return bytes(self._held[begin : begin + LONGEST_START]), 0

    def reaches(self, position: int) -> bool:
        """Inflate up to a position, if there is so much.

        Raises
        ------
        Unreadable
            The data are damaged or end too early.
        Oversized
            They grow beyond a limit.
        """
        while (end := self._start + len(self._held)) < position:
            self._forget(min(end, position - LONGEST_START))
            piece = self._next()
            if not piece:
                return False
            self._held += piece
        return True

    def keep(self, start: int | None) -> None:
        """Keep the bytes from here on; None keeps none."""
        self._kept = start

    def value(self, start: int, length: int) -> memoryview:
        """Return bytes that were kept."""
        begin = start - self._start
        return memoryview(bytes(self._held[begin : begin + length]))

    def _forget(self, position: int) -> None:
        """Drop what lies before a position, but not what is kept."""
        if self._kept is not None:
            position = min(position, self._kept)
            if len(self._held) > self._max_value_bytes:
                raise Oversized("a value is too large")
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
