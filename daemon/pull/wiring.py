"""The fetchers of the settings, put together."""

from daemon.clock import Chronometer
from daemon.intake.admit import Offer
from daemon.intake.intake import Intake
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
    settings: Settings, ledger: Ledger, intake: Intake, clock: Chronometer
) -> dict[str, Fetcher]:
    """Return a fetcher for each archive, by its name."""

    def take(offer: Offer) -> None:
        intake.take(offer, FETCHED)

    timeout_s, ours = settings.delivery.timeout_s, settings.node.ae_title
    archives: dict[str, Archive] = {
        one.name: DimseArchive(one, ours, timeout_s, take) for one in settings.pull.sources
    }
    archives.update({one.name: WebArchive(one, timeout_s, take) for one in settings.pull.web})
    pulls = Pulls(ledger)
    return {name: Fetcher(name, archive, pulls, clock) for name, archive in archives.items()}
