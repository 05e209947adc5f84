"""The fetchers of the settings, put together."""

from daemon.calling.outgoing import Outgoing
from daemon.clock import Chronometer
from daemon.intake.store.admit import Offer
from daemon.intake.store.incoming import Intake
from daemon.ledger.ledger import Ledger
from daemon.ledger.pulls import Pulls
from daemon.pull.criteria import Archive
from daemon.pull.dimse import DimseArchive
from daemon.pull.fetch import Fetcher
from daemon.pull.web import WebArchive
from daemon.settings import Settings

FETCHED = "(fetched)"
"""Stands for the sender of what we fetched ourselves."""


def build_fetchers(
    settings: Settings, ledger: Ledger, intake: Intake, outgoing: Outgoing, clock: Chronometer
) -> dict[str, Fetcher]:
    """Return a fetcher for each archive, by its name."""

    def take(offer: Offer) -> None:
        intake.take(offer, FETCHED)

    largest = settings.receiver.max_object_bytes
    archives: dict[str, Archive] = {
        one.name: DimseArchive(one, outgoing.dimse, take, largest) for one in settings.pull.sources
    }
    archives.update({one.name: WebArchive(one, outgoing.web, take) for one in settings.pull.web})
    pulls = Pulls(ledger)
    return {name: Fetcher(name, archive, pulls, clock) for name, archive in archives.items()}
