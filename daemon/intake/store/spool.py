"""The spool: received files, each whole and on the disk, or not there at all.

One folder. A file is written as ``*.part``, then gets its name, and is there when both its bytes
and its name have been synced; names are synced for many files at once. They come from the content,
never from a UID, so the same bytes always land in the same place and no peer chooses a path.
"""

import fcntl
import mmap
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from blake3 import blake3

from daemon.crashpoints import crash_point

PART = ".part"
FILE = ".dcm"
_TURN = ".turn"
"""A file beside the folder, to be locked: network file systems lock no folders."""
_NAME_LENGTH = 32
_WRITE_BACK_BYTES = 1 << 20


def digest_of(*parts: bytes | memoryview) -> str:
    """Return what names a file of this content, given in parts: its BLAKE3, hexadecimal.

    As collision-resistant as SHA-256, at a third of its cost (`tests/benchmarks/floor.py`).
    """
    content = blake3()
    for part in parts:
        content.update(part)
    return content.hexdigest()


@dataclass(frozen=True)
class Stored:
    """A file of the spool."""

    file: str
    """Path relative to the spool."""
    digest: str
    size: int


class PartFile:
    """A file that is being written and hashed; `discard` ends it, kept under a name or not.

    Raises
    ------
    OSError
        As the disk says, from any method but `discard`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._hash = blake3()
        self._written_back = 0

    @property
    def digest(self) -> str:
        """Of what has been written."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes | memoryview) -> None:
        """Append; the disk begins its work early, so that the sync need not wait for all of it."""
        written = os.write(self._descriptor, chunk)
        while written < len(chunk):
            written += os.write(self._descriptor, chunk[written:])
        self._hash.update(chunk)
        self.size += written
        fresh = self.size - self._written_back
        if fresh >= _WRITE_BACK_BYTES:
            os.posix_fadvise(self._descriptor, self._written_back, fresh, os.POSIX_FADV_DONTNEED)
            self._written_back = self.size

    def content(self) -> memoryview:
        """Return all that was written, as the disk's cache has it: nothing is copied."""
        return memoryview(mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ))

    def sync(self) -> None:
        """Make the bytes durable."""
        os.fsync(self._descriptor)

    def name(self, final: Path) -> None:
        """Give the file its name; durable bytes are never replaced by others that are not."""
        try:
            os.link(self.path, final)
        except FileExistsError:  # the same content is there, or just coming
            self.sync()
            self.path.replace(final)

    def discard(self) -> None:
        """Close it and remove its working name; harmless when repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
            self.path.unlink(missing_ok=True)


class Spool:
    """The folder of received files; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count()
        self._names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._turn = os.open(folder.with_suffix(_TURN), os.O_RDWR | os.O_CREAT, 0o600)

    def free_bytes(self) -> int:
        """Return what the daemon's user may still write on this disk."""
        return shutil.disk_usage(self.folder).free

    def begin(self) -> PartFile:
        """Begin a file.

        Raises
        ------
        OSError
            The disk does not take it.
        """
        return PartFile(self.folder / f"{os.getpid()}-{next(self._numbers)}{PART}")

    def keep(self, part: PartFile) -> Stored:
        """Give a part its final name; the bytes are durable when this returns.

        The name is given first and made durable with `sync_names`: on most file systems the sync
        of the file has written both, if the part is discarded only afterwards. Should the machine
        die in between, the name may stand for half a file: its hash then does not agree with its
        name, see `is_whole`.

        Raises
        ------
        OSError
            The disk does not take it.
        """
        digest = part.digest
        stored = Stored(f"{digest[:_NAME_LENGTH]}{FILE}", digest, part.size)
        crash_point("part-written")
        part.name(self.folder / stored.file)
        crash_point("part-named")
        part.sync()
        crash_point("file-synced")
        return stored

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other process has its turn on this folder.

        Receiver processes commit one after the other anyhow; here they wait in the kernel's queue,
        while a database that is locked would have them ask again after a sleep.
        """
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def sync_names(self) -> None:
        """Make the names of all that was kept durable.

        Raises
        ------
        OSError
            The disk does not take it.
        """
        os.fsync(self._names)

    def close(self) -> None:
        """Nothing is kept after this; harmless when repeated."""
        names, self._names = self._names, -1
        if names >= 0:
            os.close(names)
            os.close(self._turn)

    def discard_parts(self) -> int:
        """Remove what was being written when the daemon died; returns how many files."""
        parts = list(self.folder.glob(f"*{PART}"))
        for part in parts:
            part.unlink()
        return len(parts)


def is_whole(path: Path, digest: str) -> bool:
    """Tell whether a file of a spool holds what its name promises."""
    return path.stem == digest[:_NAME_LENGTH]


def orphans(spool: Path, known: set[str]) -> list[Path]:
    """Return the files that are not `known` (paths relative to the spool), oldest first."""
    unknown = [path for path in spool.glob(f"*{FILE}") if path.name not in known]
    return sorted(unknown, key=lambda path: path.stat().st_mtime_ns)
