"""How the node is: `wristd status`."""

import shutil
from datetime import datetime
from pathlib import Path

from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import backlog, oldest, put_off
from daemon.reading.flags import split_flags
from daemon.settings import Settings


def status_of(
    settings: Settings, state_dir: Path, ledger: Ledger, now: datetime
) -> dict[str, object]:
    """Return for machines what reads, what is degraded, the backlog, its age, and counters.

    Raises
    ------
    Unavailable
        The ledger does not answer.
    """
    flags, counters = split_flags(ledger.counters())
    ages = {name: round((now - since).total_seconds()) for name, since in oldest(ledger).items()}
    return {
        "reads_on": flags["reads on"],
        "degraded": flags["degraded"] + _full_disk(state_dir, settings.receiver.min_free_bytes),
        "backlog": backlog(ledger),
        "put_off": put_off(ledger),
        "oldest_s": ages,
        "counters": counters,
    }


def _full_disk(folder: Path, needed: int) -> list[str]:
    """Say that senders are refused for lack of room; a full disk takes no note of it itself."""
    if not folder.exists():  # asked on another host, of a ledger that is shared
        return []
    free = shutil.disk_usage(folder).free
    return [f"disk: {free >> 20} MiB free, arrivals are refused"] if free < needed else []
