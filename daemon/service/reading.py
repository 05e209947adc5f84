"""What reads: the model, its device, the decoders, the worker and its threads."""

from collections.abc import Callable

from daemon.clock import Chronometer
from daemon.guarded import guarded
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.reading.meant import Meant
from daemon.reading.pipeline import Pipeline
from daemon.reading.read import Reader
from daemon.reading.sandbox import Decoders
from daemon.reading.wiring import build_guard, openers
from daemon.reading.worker import Worker
from daemon.results.reporter import Reporter
from daemon.settings import Place, Settings
from model.package import ModelPackage

_NAME_LENGTH = 64
"""Of a worker, in the ledger."""


def recipe_digest(settings: Settings, package: ModelPackage) -> str:
    """Name how a study is read: another package or other result settings make another job."""
    return f"{package.digest[:47]}-{settings.results_digest()}"


def build_reading(
    settings: Settings,
    place: Place,
    package: ModelPackage,
    ledger: Ledger,
    clock: Chronometer,
    settled: Callable[[], None],
) -> tuple[Pipeline, Decoders]:
    """Build the pipeline, and the decoders that it uses."""
    home = place.home()
    which = f"{home.uid[:6]}-" if settings.ledger.url else ""
    name = f"{which}{home.name}-{settings.node.ae_title}"[:_NAME_LENGTH]
    number = openers(settings.reading)
    decoders = Decoders(settings.reading, number)
    guard = build_guard(settings.reading, package, ledger, name)
    reader = Reader(
        package=package,
        network=guard,
        spool=place.spool,
        settings_digest=settings.results_digest(),
        decode=decoders.decode,
        describe=decoders.describe,
        meant=Meant(package.manifest, settings.reading, ledger.count),
    )
    reporter = _reporter(settings, place, ledger)
    guarded("reading", lambda: reporter.warm_up(reader.identity, clock()))
    worker = Worker(
        name=name,
        queue=Queue(ledger),
        reader=reader,
        report=reporter.report,
        destinations=settings.destination_names(),
        settings=settings.reading,
        clock=clock,
        settled=settled,
    )
    return Pipeline(worker, number, lambda: guard.batch_size), decoders


def _reporter(settings: Settings, place: Place, ledger: Ledger) -> Reporter:
    return Reporter(settings.report, settings.every_destination(), place.outbox, ledger.count)
