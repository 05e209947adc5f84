"""A stored DICOM file: its transfer syntax, and the attributes that are asked for (PS3.10 7.1)."""

import mmap
import os
from collections.abc import Collection
from pathlib import Path

from pydicom.uid import UID

from daemon.dicom.attributes import Attributes
from daemon.dicom.elements import elements
from daemon.dicom.source import Unreadable, Whole, source_of
from daemon.errors import Rejected

PREAMBLE = b"\0" * 128 + b"DICM"
_META_GROUP = b"\x02\x00"
_TRANSFER_SYNTAX = 0x00020010


class NotDicom(Rejected):
    """The file does not begin as a DICOM file."""


def file_meta(content: memoryview) -> tuple[dict[int, bytes], int]:
    """Return the values of the file meta information, and where the data set begins.

    Raises
    ------
    Unreadable
        It is no DICOM file.
    """
    if content[: len(PREAMBLE)][-4:] != PREAMBLE[-4:]:
        raise Unreadable("file does not begin as a DICOM file")
    meta = content[len(PREAMBLE) :]
    values, end = {}, 0
    walk = elements(Whole(meta), "<", implicit=False)
    while meta[end : end + 2] == _META_GROUP and (element := next(walk, None)) is not None:
        end = element.start + element.length
        values[element.tag] = bytes(meta[element.start : end]).strip(b" \0")
    return values, len(PREAMBLE) + end


class DicomFile:
    """An open file; its bytes go when nobody refers to them any more.

    Raises
    ------
    NotDicom
        It is no DICOM file, or does not name its transfer syntax.
    OSError
        It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise NotDicom("the file is empty") from error
        finally:
            os.close(descriptor)
        self._content = memoryview(self._map)
        try:
            meta, self._start = file_meta(self._content)
            self.syntax = UID(meta[_TRANSFER_SYNTAX].decode("ascii"))
        except (Unreadable, KeyError, UnicodeDecodeError) as error:
            raise NotDicom("the file does not begin as a DICOM file") from error

    def attributes(
        self, keywords: Collection[str], max_bytes: int = 1 << 30, max_value_bytes: int = 1 << 20
    ) -> Attributes:
        """Take the named attributes.

        Parameters
        ----------
        keywords : collection of str
        max_bytes, max_value_bytes : int
            A deflated data set may not inflate beyond this, nor one of these values.
        """
        data_set = self._content[self._start :]
        source = source_of(data_set, self.syntax, max_bytes, max_value_bytes)
        return Attributes.of(source, self.syntax, keywords)
