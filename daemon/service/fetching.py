"""What fetches from archives: by night, or for a command beside a daemon that may run or not."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from daemon.calling.outgoing import Outgoing, build_outgoing
from daemon.clock import Chronometer
from daemon.errors import Misconfigured
from daemon.intake.reception import Reception
from daemon.intake.store.admit import Offer
from daemon.intake.store.incoming import Intake
from daemon.ledger.ledger import Ledger, open_ledger
from daemon.ledger.pulls import Pulls
from daemon.pull.criteria import Archive
from daemon.pull.dicomweb import WebArchive
from daemon.pull.dimse import DimseArchive
from daemon.pull.fetcher import FETCHED, Fetcher
from daemon.settings import Place, Settings, resolve


def build_fetchers(
    settings: Settings, ledger: Ledger, intake: Intake, outgoing: Outgoing, clock: Chronometer
) -> dict[str, Fetcher]:
    """Return a fetcher for each source, by its name, in the order of the settings."""

    def take(offer: Offer) -> None:
        intake.take(offer, FETCHED)

    largest = settings.receiver.max_object_bytes
    dimse = partial(DimseArchive, caller=outgoing.dimse, take=take, largest_object_bytes=largest)
    web = partial(WebArchive, caller=outgoing.web, take=take)
    by_kind: Mapping[str, Callable[[Any], Archive]] = {"move": dimse, "get": dimse, "wado": web}
    pulls = Pulls(ledger)
    return {
        one.name: Fetcher(one.name, by_kind[one.kind](one), pulls, clock)
        for one in settings.sources
    }


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
            raise Misconfigured(f"sources: no archive is called {source}; known: {known}")
        yield fetchers[source]
    finally:
        reception.stop()
        ledger.close()
