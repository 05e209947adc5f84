"""The quarantine: objects that were refused, kept for a person under a name that tells nothing.

Whoever may connect decides what is refused, so it has a bound in bytes and in age: the oldest go
first. Its folder `acknowledged` has none: what a start finds in the spool and cannot take may have
been promised to a sender once, and waits there for a person, whatever becomes of it.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from daemon.durable import sync_folder
from daemon.errors import system_words
from daemon.intake.store.spool import FILE, PartFile

logger = logging.getLogger(__name__)

ACKNOWLEDGED = "acknowledged"
_BLOCK_BYTES = 4096
"""What a small file takes on the disk."""
_SHARE = 8
"""Room is made for this share of the bound at a time: the folder is not listed for each object."""


@dataclass(eq=False)
class Quarantine:
    """One folder of refused objects; safe to share between threads.

    Several processes may share the folder: each of them may exceed the bound by an eighth.

    Attributes
    ----------
    folder : Path
    max_bytes : int
        Most that refused objects may take; 0 keeps none.
    """

    folder: Path
    max_bytes: int
    _lock: Lock = field(default_factory=Lock, init=False)
    _room: int = field(default=0, init=False)
    """Bytes that may be written before the folder is looked at again."""

    def keep(self, refused: PartFile, digest: str) -> None:
        """Keep a refused object, in place of older ones; the same bytes are kept once.

        A failing disk only costs the copy: the sender has been told that the object was refused.
        """
        size = _on_disk(refused.size)
        if size > self.max_bytes // _SHARE:
            logger.warning("a refused object is larger than the quarantine keeps")
            return
        with self._lock:
            if size > self._room:
                share = self.max_bytes // _SHARE
                self._discard(_files(self.folder), self.max_bytes - share)
                self._room = share
            self._room -= size
        final = self.folder / f"{digest}{FILE}"
        try:
            refused.sync()
            refused.name(final)
            refused.discard()
            sync_folder(self.folder)
        except OSError as error:
            logger.warning("a refused object could not be kept: %s", system_words(error))
        else:
            logger.warning("a refused object is kept as quarantine/%s", final.name)

    def set_aside(self, file: Path, digest: str) -> None:
        """Move a file of the spool here for good: nobody knows whether it was acknowledged."""
        folder = self.folder / ACKNOWLEDGED
        final = folder / f"{digest}{FILE}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            file.replace(final)
            sync_folder(folder)
        except OSError as error:
            logger.warning("a file of the spool stays there: %s", system_words(error))
        else:
            logger.warning(
                "a file of the spool is kept as quarantine/%s/%s", ACKNOWLEDGED, final.name
            )

    def purge(self, before: float) -> int:
        """Remove refused objects older than a time, and what exceeds the bound; returns how many.

        Parameters
        ----------
        before : float
            Seconds since 1970, as the disk stamps its files.

        Raises
        ------
        OSError
            The disk does not take it.
        """
        with self._lock:
            files = _files(self.folder)
            old = [one for one in files if one.written_at < before]
            for one in old:
                one.path.unlink(missing_ok=True)
            return len(old) + self._discard(files[len(old) :], self.max_bytes)

    def _discard(self, files: "list[_Kept]", most: int) -> int:
        """Remove the oldest until the others take no more than `most` bytes."""
        total, removed = sum(one.size for one in files), 0
        for one in files:
            if total <= most:
                break
            one.path.unlink(missing_ok=True)
            total -= one.size
            removed += 1
        if removed:
            logger.warning("quarantine: the oldest %d refused objects gave way", removed)
        return removed


@dataclass(frozen=True, order=True)
class _Kept:
    written_at: float
    path: Path
    size: int


def _files(folder: Path) -> list[_Kept]:
    """Return the refused objects, oldest first."""
    found = []
    for path in folder.glob(f"*{FILE}"):
        try:
            status = path.stat()
        except FileNotFoundError:  # another process made room
            continue
        found.append(_Kept(status.st_mtime, path, _on_disk(status.st_size)))
    return sorted(found)


def _on_disk(size: int) -> int:
    return -(-max(size, 1) // _BLOCK_BYTES) * _BLOCK_BYTES
