"""How the node is: `wristd status`."""

from datetime import datetime

from daemon.ledger.hosts.holding import label
from daemon.ledger.hosts.places import Places
from daemon.ledger.ledger import Ledger
from daemon.ledger.notes import Noted, Notes
from daemon.ledger.overview import backlog, oldest, put_off
from daemon.ledger.standing_alerts import Alert
from daemon.operate.alerts import alerts, free_of_full_disk
from daemon.settings import Place, Settings
from daemon.signals import Signal, SignalKind


def status_of(settings: Settings, place: Place, ledger: Ledger, now: datetime) -> dict[str, object]:
    """Return for machines what reads, what a person should look at, the backlog, and counters.

    With the places where hosts share the ledger.

    Raises
    ------
    Unavailable
        The ledger does not answer.
    """
    flags = [one for one in Notes(ledger).standing() if one.signal.kind is SignalKind.FLAG]
    ages = {name: round((now - since).total_seconds()) for name, since in oldest(ledger).items()}
    shown: dict[str, object] = {
        Signal.READS_ON: [_shown(one) for one in flags if one.signal is Signal.READS_ON],
        "degraded": [_shown(one) for one in flags if one.signal is not Signal.READS_ON]
        + _full_disk(place, settings),
        "alerts": [_told(one) for one in alerts(settings, place, ledger, now)],
        "backlog": backlog(ledger),
        Signal.PUT_OFF: put_off(ledger),
        "oldest_s": ages,
        "counters": ledger.counters(),
    }
    ours = place.known_uid() if settings.ledger.url else None
    places = _places(ledger, now, ours)
    return shown | {"places": places} if places else shown


def _shown(flag: Noted) -> str:
    """Say what is so, and of which model and worker."""
    who = " ".join(filter(None, (flag.subject, flag.worker)))
    return f"{flag.words or flag.signal} ({who})"


def _told(alert: Alert) -> dict[str, object]:
    since = None if alert.since is None else alert.since.isoformat(timespec="seconds")
    return {
        "alert": alert.signal,
        "number": alert.number,
        "since": since,
        "means": alert.signal.means,
    }


def _full_disk(place: Place, settings: Settings) -> list[str]:
    """Say that senders are refused for lack of room."""
    free = free_of_full_disk(place.root, settings.receiver.min_free_bytes)
    return [] if free is None else [f"disk: {free >> 20} MiB free, arrivals are refused"]


def _places(ledger: Ledger, now: datetime, ours: str | None) -> list[dict[str, object]]:
    """Return what each place holds, and for how long its host has been silent."""
    return [
        {
            "place": label(one.name, one.uid) if one.uid else one.name,
            "is_this_host": one.is_ours,
            Signal.PLACE_SILENCE: None
            if one.seen_at is None
            else round((now - one.seen_at).total_seconds()),
            Signal.PLACE_IMAGES: one.images,
            Signal.PLACE_JOBS: one.jobs,
            Signal.PLACE_DELIVERIES: one.deliveries,
        }
        for one in Places(ledger).states(ours)
    ]
