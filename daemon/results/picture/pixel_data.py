"""The bytes of a picture, handed out where they lie: a large picture is never copied as a whole."""

import io

import numpy as np
from numpy.typing import NDArray
from pydicom import config
from typing_extensions import override

config.settings.buffered_read_size = 1024 * 1024
"""pydicom writes a buffered value in pieces of this size; its own 8 KiB cost more than the disk."""


class PixelBytes(io.BufferedIOBase):
    """A picture's bytes as a file, which pydicom takes as the value of PixelData."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        """Hand out a flat uint8 array; it must not change any more."""
        self._data = data.data
        self._at = 0

    def __len__(self) -> int:
        """Return how many bytes there are, wherever reading stands."""
        return len(self._data)

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._at

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self)}[whence]
        self._at = min(max(0, origin + offset), len(self))
        return self._at

    @override
    def read(self, size: int | None = -1) -> bytes:
        end = len(self) if size is None or size < 0 else self._at + size
        part = self._data[self._at : end]
        self._at += len(part)
        return bytes(part)
