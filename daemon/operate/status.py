"""How the node is: `wristd status`."""

import shutil
from datetime import datetime
from pathlib import Path

from daemon.ledger.hosts.holding import label
from daemon.ledger.hosts.places import Places
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import backlog, oldest, put_off
from daemon.reading.flags import split_flags
from daemon.settings import Place, Settings


def status_of(settings: Settings, place: Place, ledger: Ledger, now: datetime) -> dict[str, object]:
    """Return for machines what reads, what is degraded, the backlog, its age, and counters.

    With the places where hosts share the ledger.

    Raises
    ------
    Unavailable
        The ledger does not answer.
    """
    flags, counters = split_flags(ledger.counters())
    ages = {name: round((now - since).total_seconds()) for name, since in oldest(ledger).items()}
    shown: dict[str, object] = {
        "reads_on": flags["reads on"],
        "degraded": flags["degraded"] + _full_disk(place.root, settings.receiver.min_free_bytes),
        "backlog": backlog(ledger),
        "put_off": put_off(ledger),
        "oldest_s": ages,
        "counters": counters,
    }
    ours = place.known_uid() if settings.ledger.url else None
    places = _places(ledger, now, ours)
    return shown | {"places": places} if places else shown


def _full_disk(folder: Path, needed: int) -> list[str]:
    """Say that senders are refused for lack of room; a full disk takes no note of it itself."""
    if not folder.exists():  # asked on another host, of a ledger that is shared
        return []
    free = shutil.disk_usage(folder).free
    return [f"disk: {free >> 20} MiB free, arrivals are refused"] if free < needed else []


def _places(ledger: Ledger, now: datetime, ours: str | None) -> list[dict[str, object]]:
    """Return what each place holds, and for how long its host has been silent."""
    return [
        {
            "place": label(one.name, one.uid) if one.uid else one.name,
            "is_this_host": one.is_ours,
            "silent_s": None if one.seen_at is None else round((now - one.seen_at).total_seconds()),
            "images": one.images,
            "open_jobs": one.jobs,
            "open_deliveries": one.deliveries,
        }
        for one in Places(ledger).states(ours)
    ]
