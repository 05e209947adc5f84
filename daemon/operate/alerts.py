"""What a person should look at: what the ledger says, and what only a look around shows."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from daemon.ledger.hosts.places import Places
from daemon.ledger.ledger import Ledger
from daemon.ledger.standing_alerts import Alert, standing_alerts
from daemon.operate.neighbours import SILENT_AFTER_S
from daemon.settings import Place, Settings
from daemon.signals import Signal


def alerts(settings: Settings, place: Place, ledger: Ledger, now: datetime) -> list[Alert]:
    """Return all that a person should look at.

    Raises
    ------
    Unavailable
        The ledger does not answer.
    """
    found = standing_alerts(ledger) + list(_silent(ledger, now))
    if free_of_full_disk(place.root, settings.receiver.min_free_bytes) is not None:
        found.append(Alert(Signal.DISK_FULL, 1))
    return found


def free_of_full_disk(folder: Path, needed: int) -> int | None:
    """Return the free bytes of a disk that is full; None where more is free than is needed.

    A full disk takes no note of it itself.
    """
    if not folder.exists():  # asked on another host, of a ledger that is shared
        return None
    free = shutil.disk_usage(folder).free
    return free if free < needed else None


def _silent(ledger: Ledger, now: datetime) -> Iterator[Alert]:
    """Tell of places whose host does not live, by both clocks, and that still hold something."""
    last = now - timedelta(seconds=SILENT_AFTER_S)
    words = [
        one.seen_at
        for one in Places(ledger).states()
        if one.seen_at is not None and one.seen_at < last and one.images + one.jobs + one.deliveries
    ]
    if words:
        yield Alert(Signal.PLACE_SILENT, len(words), min(words))
