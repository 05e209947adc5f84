"""What fetches from an archive, built for a command beside a daemon that may run or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.calling.outgoing import build_outgoing
from daemon.clock import Chronometer
from daemon.errors import Misconfigured
from daemon.intake.reception import Reception
from daemon.ledger.ledger import open_ledger
from daemon.pull.fetch import Fetcher
from daemon.pull.wiring import build_fetchers
from daemon.settings import Place, Settings, resolve


@contextmanager
def fetching(settings: Settings, settings_file: Path, source: str) -> Iterator[Fetcher]:
    """Give the fetcher of one archive, beside a daemon that may run or not.

    Raises
    ------
    Misconfigured
        The settings name no such archive.
    """
    place = Place(root=resolve(settings_file, settings.node.state_dir))
    place.create()
    ledger = open_ledger(place, settings.ledger)
    clock = Chronometer()
    reception = Reception(settings, place, ledger, clock)
    try:
        outgoing = build_outgoing(settings)
        fetchers = build_fetchers(settings, ledger, reception.intake, outgoing, clock)
        if source not in fetchers:
            known = ", ".join(fetchers) or "none"
            raise Misconfigured(f"pull: no archive is called {source}; known: {known}")
        yield fetchers[source]
    finally:
        reception.stop()
        ledger.close()
