"""The composition root: build everything in the order of the path, stop it in reverse.

Nothing is built at import. Threads: one for each association (receiver), those of the reading
pipeline, one for each destination, and the clock work.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from daemon import outcome
from daemon.clock import Clock, utc_now
from daemon.commitment.wiring import Safekeeping, build_safekeeping
from daemon.delivery.outbox import Courier
from daemon.errors import Misconfigured
from daemon.guarded import Loop, at_once_again, guarded, repeat, ringing
from daemon.intake.receive import Receiver
from daemon.intake.reception import Reception
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.ledger import Ledger
from daemon.ledger.queue import Queue
from daemon.ledger.retention import Retention
from daemon.operate.purge import PURGE_INTERVAL_S, Purge, discard_half_results
from daemon.operate.upkeep import LEASE_CHECK_INTERVAL_S, Upkeep, start_clockwork
from daemon.pull.fetch import Fetcher
from daemon.pull.night import Night
from daemon.pull.wiring import build_fetchers
from daemon.reading.meant import Meant
from daemon.reading.pipeline import Pipeline
from daemon.reading.read import Reader
from daemon.reading.sandbox import Decoders
from daemon.reading.wiring import build_guard, openers
from daemon.reading.worker import Worker
from daemon.results.reporter import Reporter
from daemon.settings import Destination, Place, Settings, WebDestination, resolve
from daemon.state_lock import StateLock
from model.package import ModelPackage, PackageError, load_package

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 8.0
"""systemd and operators expect an end within ten seconds of SIGTERM."""


@dataclass(frozen=True, eq=False)
class Service:
    """The daemon's parts, wired; `running` starts and stops them."""

    settings: Settings
    place: Place
    lock: StateLock
    ledger: Ledger
    receiver: Receiver
    pipeline: Pipeline
    loops: Sequence[Loop]
    upkeep: Upkeep
    purge: Purge
    night: Night
    decoders: Decoders
    clock: Clock

    @contextmanager
    def running(self) -> Iterator[int]:
        """Run until the block ends; gives the port that the receiver listens on."""
        stop = Event()
        with ExitStack() as undo:
            undo.callback(self.lock.release)
            undo.callback(self.ledger.close)
            undo.callback(self.decoders.close)
            self.pipeline.worker.release()
            discard_half_results(self.place.outbox)
            guarded("reading", self.decoders.warm_up)
            threads = [threading.Thread(target=self.pipeline.run, args=(stop,), name="reading")]
            threads += [
                threading.Thread(target=loop.run, args=(stop,), name=loop.name)
                for loop in self.loops
            ]
            threads += [
                threading.Thread(target=repeat, args=(name, turn, every_s, stop), name=name)
                for name, turn, every_s in self._clock_work()
            ]
            undo.callback(_join, threads)
            for thread in threads:
                thread.daemon = True
                thread.start()
            bells = start_clockwork({self.night.turn: self.night.interval_s})
            undo.callback(bells.shutdown, wait=False)
            undo.callback(self._end, stop)
            self.receiver.start()
            undo.callback(self.receiver.stop)
            yield self.receiver.port

    def _clock_work(self) -> list[tuple[str, Callable[[], object], float]]:
        """Return what is done at intervals, each in a thread of its own: name, turn, seconds."""
        return [
            ("leases", self.upkeep.expire_leases, LEASE_CHECK_INTERVAL_S),
            ("purge", self.purge.turn, PURGE_INTERVAL_S),
        ]

    def _end(self, stop: Event) -> None:
        """Stop every loop, and wake those that rest."""
        stop.set()
        self.pipeline.bell.ring()
        ringing(self.loops)()


def build(settings: Settings, settings_file: Path, clock: Clock = utc_now) -> Service:
    """Build the service from its settings.

    Raises
    ------
    Misconfigured
        The state folder, the ledger, the model package or the provider cannot be used.
    """
    place = Place(root=resolve(settings_file, settings.node.state_dir))
    place.create()
    lock = StateLock(place.root)
    package = open_package(settings, settings_file)
    ledger = Ledger(settings.ledger.url or place.ledger)
    safekeeping = build_safekeeping(settings, place, ledger, clock)
    couriers, after = _delivering(settings, place, ledger, clock, safekeeping)
    pipeline, decoders = _reading(settings, place, package, ledger, clock, ringing(couriers))
    receiver = Receiver(settings, place, ledger, clock, safekeeping.answers)
    fetchers = build_fetchers(settings, ledger, receiver.intake, clock)
    upkeep = Upkeep(
        ledger=ledger,
        queue=pipeline.worker.queue,
        assembly=settings.assembly,
        recipe_digest=recipe_digest(settings, package),
        clock=clock,
        spool=place.spool,
        describe=decoders.describe,
        being_sent=receiver.being_sent,
        queued=pipeline.bell.ring,
    )
    # What comes after a look is due a quiet period later at the earliest: nobody need ring.
    looks_s = min(settings.assembly.sweep_interval_s, settings.assembly.quiet_period_s)
    assembly = Loop("assembly", upkeep.assemble, looks_s)
    return Service(
        settings=settings,
        place=place,
        lock=lock,
        ledger=ledger,
        receiver=receiver,
        pipeline=pipeline,
        loops=[assembly, *couriers, *after],
        upkeep=upkeep,
        night=Night(settings.pull, list(fetchers.values()), clock),
        purge=Purge(Retention(ledger), place, settings.retention, clock),
        decoders=decoders,
        clock=clock,
    )


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
    ledger = Ledger(settings.ledger.url or place.ledger)
    reception = Reception(settings, place, ledger, utc_now)
    try:
        fetchers = build_fetchers(settings, ledger, reception.intake, utc_now)
        if source not in fetchers:
            known = ", ".join(fetchers) or "none"
            raise Misconfigured(f"pull: no archive is called {source}; known: {known}")
        yield fetchers[source]
    finally:
        reception.stop()
        ledger.close()


def recipe_digest(settings: Settings, package: ModelPackage) -> str:
    """Name how a study is read: another package or other result settings make another job."""
    return f"{package.digest[:47]}-{settings.results_digest()}"


def open_package(settings: Settings, settings_file: Path) -> ModelPackage:
    """Load the model package that the settings name, judged by the site's operating points.

    Raises
    ------
    Misconfigured
        It cannot be used, or does not know a finding of the settings; the message says why.
    """
    try:
        package = load_package(resolve(settings_file, settings.reading.package))
    except PackageError as error:
        raise Misconfigured(str(error)) from error
    findings = outcome.at_site(package.manifest.findings, settings.report.operating_points)
    return replace(package, manifest=package.manifest.model_copy(update={"findings": findings}))


def _reading(
    settings: Settings,
    place: Place,
    package: ModelPackage,
    ledger: Ledger,
    clock: Clock,
    settled: Callable[[], None],
) -> tuple[Pipeline, Decoders]:
    """Build the pipeline, and the decoders that it uses."""
    name = f"{socket.gethostname()}-{settings.node.ae_title}"
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
    destinations: list[Destination | WebDestination] = [
        *settings.destinations,
        *settings.delivery.web,
    ]

    return Reporter(settings.report, destinations, place.outbox, ledger.count)


def _delivering(
    settings: Settings, place: Place, ledger: Ledger, clock: Clock, safekeeping: Safekeeping
) -> tuple[list[Loop], list[Loop]]:
    """Build the couriers' loops, and those of storage commitment, rung after each delivery."""
    every_s = settings.delivery.interval_s
    after = [Loop("delivery", at_once_again(turn, clock), every_s) for turn in safekeeping.turns]
    destinations: list[Destination | WebDestination] = [
        *settings.destinations,
        *settings.delivery.web,
    ]
    couriers = [
        Courier(
            destination=destination,
            deliveries=Deliveries(ledger),
            outbox_dir=place.outbox,
            settings=settings.delivery,
            ae_title=settings.node.ae_title,
            clock=clock,
        )
        for destination in destinations
    ]
    turns = [at_once_again(courier.turn, clock, ringing(after)) for courier in couriers]
    return [Loop("delivery", turn, every_s) for turn in turns], after


def _join(threads: Sequence[threading.Thread]) -> None:
    """Wait for the jobs in hand; what takes too long is left to its lease."""
    end = time.monotonic() + STOP_WITHIN_S
    for thread in threads:
        thread.join(timeout=max(0.0, end - time.monotonic()))
        if thread.is_alive():
            logger.warning("%s did not finish in time: its work is taken up again", thread.name)
