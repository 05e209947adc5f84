"""Take over the state folder of a host that is gone, mounted here: `wristd adopt`.

Files first, durably, then the rows that speak of them, some studies at a time: killed at any moment
it is repeated and goes on where it was. The folder itself is left as it is.
"""

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from daemon.clock import Clock
from daemon.crashpoints import crash_point
from daemon.durable import sync_folder
from daemon.errors import Rejected, Unavailable
from daemon.ledger.hosts.adoption import Adoption
from daemon.ledger.hosts.places import Other, Places
from daemon.ledger.ledger import Ledger
from daemon.operate.neighbours import BEAT_INTERVAL_S
from daemon.place import Place, identity_of
from daemon.state_lock import StateLock

logger = logging.getLogger(__name__)

LISTEN_FOR_S = 2.5 * BEAT_INTERVAL_S
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK)
"""Where a file cannot have a second name it is copied."""


@dataclass(frozen=True)
class Adopted:
    """What was taken over; `missing` files were not in the folder any more."""

    studies: int
    files: int
    missing: int
    promises: int


def adopt(
    ledger: Ledger,
    ours: Place,
    which: tuple[str, Path],
    clock: Clock,
    wait: Callable[[float], object],
) -> Adopted:
    """Make ours what a place holds.

    Parameters
    ----------
    ledger : Ledger
        With our place.
    ours : Place
    which : (str, Path)
        The place as `wristd status` shows it, or its identity; and where its folder is now.
    clock : Clock
    wait : callable
        Waits for so many seconds: a daemon that lives says so meanwhile.

    Raises
    ------
    Rejected
        No such place, another folder, or its daemon lives.
    Misconfigured
        The folder is in use.
    Unavailable
        Ledger or disk do not answer: what was taken over stays so, repeat it for the rest.
    """
    name, folder = which
    adoption = Adoption(ledger)
    other = _named(ledger, name)
    _check_folder(other, folder)
    lock = _locked(folder)
    try:
        wait(LISTEN_FOR_S)
        if _named(ledger, other.uid).seen_at != other.seen_at:
            raise Rejected(f"the daemon of {other.label} lives: stop it, then adopt what it held")
        return _take_all(adoption, other, ours, Place(root=folder), clock)
    finally:
        lock.release()


def _named(ledger: Ledger, name: str) -> Other:
    if ledger.place is None:
        raise Rejected("this ledger has its state folder for itself: there is nothing to adopt")
    others = Places(ledger).others()
    found = [one for one in others if name in (one.label, one.uid)]
    if len(found) != 1:
        known = ", ".join(one.label for one in others) or "none"
        raise Rejected(f"the ledger knows no other place called {name}; it knows: {known}")
    return found[0]


def _check_folder(other: Other, folder: Path) -> None:
    try:
        uid = identity_of(folder)
    except OSError as error:
        raise Rejected(f"{folder} is no state folder: it has no place.id") from error
    if uid != other.uid:
        raise Rejected(f"{folder} is the state folder of place {uid}, not of {other.label}")


def _locked(folder: Path) -> StateLock:
    try:
        return StateLock(folder)
    except OSError as error:
        raise Rejected(
            f"{folder} cannot be locked ({error.strerror}): mount it writable"
        ) from error


def _take_all(
    adoption: Adoption, other: Other, ours: Place, theirs: Place, clock: Clock
) -> Adopted:
    studies = files = missing = 0
    while (left := adoption.left(other)).studies:
        try:
            lost = _bring(left.inputs, theirs.spool, ours.spool)
            lost += _bring(left.results, theirs.outbox, ours.outbox)
        except OSError as error:
            raise Unavailable(f"adopt: {error.strerror}; repeat it") from error
        crash_point("adopt:files-brought")
        adoption.take(other, left.studies, clock())
        crash_point("adopt:rows-taken")
        studies += len(left.studies)
        files += len(left.inputs) + len(left.results) - lost
        missing += lost
    return Adopted(studies, files, missing, adoption.take_promises(other))


def _bring(files: Iterable[str], source: Path, target: Path) -> int:
    """Bring files from one folder to another, durably; returns how many are not there."""
    missing, folders = 0, {target}
    for file in files:
        here = target / file
        if here.parent not in folders:
            here.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folders.add(here.parent)
        if here.exists():
            continue
        if not (source / file).exists():
            missing += 1
            logger.error("a file of the other place is gone")
            continue
        _link_or_copy(source / file, here)
    for folder in folders:
        sync_folder(folder)
    return missing


def _link_or_copy(there: Path, here: Path) -> None:
    """Give a file a second name; on another disk copy it, whole or not at all."""
    try:
        os.link(there, here)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return
    part = here.with_suffix(".part")
    with there.open("rb") as source, part.open("wb") as stream:
        shutil.copyfileobj(source, stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(here)
