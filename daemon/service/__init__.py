"""The composition root: build everything in the order of the path, stop it in reverse.

Nothing is built at import. Threads: one for each association (receiver), those of the reading
pipeline, one for each destination, and the clock work.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event

from daemon.assembly.sweep import Sweep
from daemon.calling.outgoing import Outgoing, build_outgoing
from daemon.clock import Chronometer, Clock, utc_now
from daemon.ending import Ending, end, started
from daemon.guarded import Loop, guarded, repeat, ringing
from daemon.intake.receive import Receiver
from daemon.ledger.hosts.places import Places
from daemon.ledger.jobs.leases import Leases
from daemon.ledger.ledger import Ledger, open_ledger
from daemon.ledger.retention import Retention
from daemon.ledger.sameness import Sameness
from daemon.ledger.waits import wait_no_more
from daemon.operate.bells import Bells
from daemon.operate.lease_watch import CHECK_INTERVAL_S, LeaseWatch
from daemon.operate.neighbours import BEAT_INTERVAL_S, Neighbours
from daemon.operate.purge import PURGE_INTERVAL_S, Purge, discard_half_results
from daemon.operate.vigil import INTERVAL_S, Vigil
from daemon.pull.night import Night
from daemon.reading.pipeline import Pipeline
from daemon.reading.sandbox import Decoders
from daemon.service.couriers import build_sending
from daemon.service.fetching import build_fetchers
from daemon.service.fetching import fetching as fetching
from daemon.service.loading import room_in_words as room_in_words
from daemon.service.offline import offline as offline
from daemon.service.reading import build_reading, router
from daemon.service.reading import open_models as open_models
from daemon.service.reading import open_package as open_package
from daemon.service.reading import recipes_of as recipes_of
from daemon.service.safekeeping import build_safekeeping
from daemon.settings import Place, Settings, resolve
from daemon.state_lock import StateLock


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
    neighbours: Neighbours
    sweep: Sweep
    leases: LeaseWatch
    purge: Purge
    bells: Bells
    vigil: Vigil
    decoders: Decoders
    outgoing: Outgoing
    clock: Chronometer

    @contextmanager
    def running(self) -> Iterator[int]:
        """Run until the block ends; gives the port that the receiver listens on."""
        stop = Event()
        threads: list[threading.Thread] = []
        with ExitStack() as undo:
            undo.callback(self.lock.release)
            undo.callback(self._stop, stop, threads)
            self.neighbours.start(self.place)
            self._take_up()
            discard_half_results(self.place.outbox)
            guarded("reading", self.decoders.warm_up)
            threads.append(started("reading", partial(self.pipeline.run, stop)))
            threads += [started(loop.name, partial(loop.run, stop)) for loop in self.loops]
            threads += [
                started(name, partial(repeat, name, work, every_s, stop))
                for name, work, every_s in self._clock_work()
            ]
            self.bells.start()
            undo.callback(self.bells.stop)
            self.receiver.start()
            yield self.receiver.port

    def _stop(self, stop: Event, threads: Sequence[threading.Thread]) -> None:
        stop.set()
        self.outgoing.stopping.set()
        self.pipeline.bell.ring()
        ringing(self.loops)()
        end([*threads, started("receiving", self.receiver.stop)], self._cut, self._close)

    def _cut(self) -> None:
        self.outgoing.hang_up()
        self.decoders.close()

    def _close(self) -> None:
        self._cut()
        self.ledger.close()

    def _clock_work(self) -> list[tuple[str, Callable[[], object], float]]:
        """Return what is done at intervals, each in a thread of its own: name, turn, seconds."""
        return [
            ("leases", self.leases.turn, CHECK_INTERVAL_S),
            ("purge", self.purge.turn, PURGE_INTERVAL_S),
            ("vigil", self.vigil.turn, INTERVAL_S),
            ("neighbours", self.neighbours.turn, BEAT_INTERVAL_S),
        ]

    def _take_up(self) -> None:
        """Take up what a process before this one has left."""
        self.pipeline.worker.release()
        report_within = timedelta(seconds=self.settings.delivery.commitment_retry_s)
        wait_no_more(self.ledger, self.clock.steady(), report_within)


def build(
    settings: Settings,
    settings_file: Path,
    clock: Clock = utc_now,
    ending: Ending | None = None,
) -> Service:
    """Build the service from its settings.

    Parameters
    ----------
    settings : Settings
    settings_file : Path
        What it names is relative to its folder.
    clock : callable
        The wall clock: tells the time for stamps, and may jump.
    ending : Ending, optional
        Told when the process must end to be started again.

    Raises
    ------
    Misconfigured
        The state folder or the ledger cannot be used, or no model can.
    Unavailable
        The ledger does not answer now.
    """
    chronometer = Chronometer(clock)
    place = Place(root=resolve(settings_file, settings.node.state_dir))
    place.create()
    lock = StateLock(place.root)
    place.home()
    models = open_models(settings, settings_file)
    ledger = open_ledger(place, settings.ledger)
    neighbours = Neighbours(Places(ledger), chronometer, chronometer.seconds)
    outgoing = build_outgoing(settings)
    safekeeping = build_safekeeping(settings, place, ledger, outgoing.dimse, chronometer)
    couriers, after = build_sending(settings, place, ledger, outgoing, chronometer, safekeeping)
    pipeline, decoders = build_reading(
        settings, place, models, ledger, chronometer, ringing(couriers)
    )
    receiver = Receiver(settings, place, ledger, chronometer, safekeeping.answers)
    fetchers = build_fetchers(settings, ledger, receiver.intake, outgoing, chronometer)
    night = Night(settings.pull, list(fetchers.values()), chronometer)
    bells = Bells(night.turn, night.settings.interval_s)
    recipes = recipes_of(settings, models)
    sweep = _sweep(settings, recipes, pipeline, decoders, receiver, neighbours)
    return Service(
        settings=settings,
        place=place,
        lock=lock,
        ledger=ledger,
        receiver=receiver,
        pipeline=pipeline,
        loops=[_assembly(sweep), *couriers, *after],
        neighbours=neighbours,
        sweep=sweep,
        leases=LeaseWatch(Leases(ledger), settings.reading.silence_s, chronometer.seconds),
        bells=bells,
        vigil=Vigil(Sameness(ledger), chronometer, ending or Ending(), bells.plan_anew),
        purge=Purge(Retention(ledger), place, settings.retention, chronometer),
        decoders=decoders,
        outgoing=outgoing,
        clock=chronometer,
    )


def _sweep(  # it stands between receiving and reading
    settings: Settings,
    recipes: Mapping[str, str],
    pipeline: Pipeline,
    decoders: Decoders,
    receiver: Receiver,
    neighbours: Neighbours,
) -> Sweep:
    worker = pipeline.worker
    return Sweep(
        ledger=worker.queue.ledger,
        queue=worker.queue,
        assembly=settings.assembly,
        recipes=recipes,
        route=router(settings),
        clock=worker.clock,
        spool=worker.reader.spool,
        describe=decoders.describe,
        being_sent=receiver.being_sent,
        queued=pipeline.bell.ring,
        silent=neighbours.silent,
    )


def _assembly(sweep: Sweep) -> Loop:
    """Return the loop that assembles; it rings for nobody and nobody for it.

    What comes after a look is due a quiet period later at the earliest.
    """
    rule = sweep.assembly
    return Loop("assembly", sweep.assemble, min(rule.sweep_interval_s, rule.quiet_period_s))
