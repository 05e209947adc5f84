"""What reads: the models, their devices, the decoders, the worker and its threads."""

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daemon import outcome
from daemon.assembly.routing import Route, models_for
from daemon.clock import Chronometer, Clock
from daemon.errors import Misconfigured
from daemon.guarded import guarded
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.notes import Notes
from daemon.reading.analysis.by_view import Stages, analysis_of
from daemon.reading.device.opening import Networks
from daemon.reading.meant import Meant
from daemon.reading.pipeline import Pipeline
from daemon.reading.reader import Reader
from daemon.reading.readers import Readers, unknown
from daemon.reading.sandbox import Decoders
from daemon.reading.shelf import Shelf, Shelved, stages_of
from daemon.reading.signalling import InLedger, Signalling
from daemon.reading.worker import Reporter as Report
from daemon.reading.worker import Worker
from daemon.records import Reported, StudyReading, Withdrawal
from daemon.results.reporter import Reporter
from daemon.service.loading import Loader, room_on_demand, weight_of
from daemon.settings import Model, Place, Reading, Settings, resolve
from daemon.signals import Signal, SignalKind
from model.chain_package import AnyPackage, load
from model.package import PackageError

logger = logging.getLogger(__name__)

_NAME_LENGTH = 64
"""Of a worker, in the ledger."""
_MOST_OPENERS = 4


@dataclass(frozen=True)
class Opened:
    """A model of the settings, and its package where there is one that can be used."""

    model: Model
    package: AnyPackage | None

    def recipe(self, settings: Settings) -> str:
        """Name how it reads a study: another package or other settings make another job."""
        otherwise = "held" if self.model.hold else "out of service"
        package = otherwise if self.package is None else self.package.digest[:47]
        return f"{package}-{settings.results_digest(self.model)}"


def open_package(model: Model, settings_file: Path) -> AnyPackage:
    """Load a model's package, judged by the site's operating points.

    Raises
    ------
    Misconfigured
        It cannot be used, or does not know a finding of the settings; the message says why.
    """
    try:
        package = load(resolve(settings_file, model.package))
        findings = outcome.at_site(package.manifest.findings, model.operating_points)
    except (PackageError, Misconfigured) as error:
        raise Misconfigured(f"model {model.name}: {error}") from error
    return package.with_findings(findings)


def open_models(settings: Settings, settings_file: Path) -> list[Opened]:
    """Open every model's package; one that cannot be used does not keep the others from it.

    Raises
    ------
    Misconfigured
        None can be used; the message says why, of each.
    """
    opened, problems = [], []
    for model in settings.models:
        try:
            package = None if model.hold else open_package(model, settings_file)
            opened.append(Opened(model, package))
        except Misconfigured as error:
            problems.append(str(error))
            opened.append(Opened(model, None))
    if all(one.package is None for one in opened):
        raise Misconfigured("\n".join(problems))
    for words in problems:
        logger.error("out of service: %s", words)
    return opened


def recipes_of(settings: Settings, models: Sequence[Opened]) -> dict[str, str]:
    """Return each model's recipe, by its name."""
    return {one.model.name: one.recipe(settings) for one in models}


def router(settings: Settings) -> Route:
    """Return what names the models that read an image."""
    return partial(models_for, models=settings.models, words=settings.reading.body_parts)


@dataclass(frozen=True, eq=False)
class Equipment:
    """What reads studies and what reports them, each of every model of the settings.

    `networks` are those that stay loaded.
    """

    readers: Readers
    report: Report
    networks: Mapping[str, Networks]
    reporters: Mapping[str, Reporter]

    def batch_size(self) -> int:
        """Return how many images make a batch: as many as any loaded model takes."""
        pinned = (one.batch_size for one in self.networks.values())
        return max(self.readers.shelf.batch_size, *pinned, 1)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where models read from and write to, and who keeps count of it.

    `worker` is the name under which notes are made.
    """

    spool: Path
    outbox: Path
    signals: Signalling
    worker: str
    decoders: Decoders
    clock: Clock


def equip(settings: Settings, models: Sequence[Opened], where: Surroundings) -> Equipment:
    """Load the models on their devices, and build what reads and reports with them.

    Raises
    ------
    Misconfigured
        No model can be used, or the ceiling of their weight is too low.
    """
    loader = Loader(settings.reading, where.signals, where.worker, where.clock)
    packages = {one.model.name: one.package for one in models if one.package is not None}
    room = room_on_demand(settings, packages)
    shelf = Shelf(_on_demand(loader, models), room)
    networks = _pinned(loader, models, shelf.models)
    stages: dict[str, Stages] = {**networks}
    stages |= {name: stages_of(shelf, name) for name in shelf.models}
    readers = {
        one.name: _reader(settings, where, one, stages[one.name])
        for one in settings.models
        if one.name in stages
    }
    reporters = {
        one.name: Reporter(settings.report_of(one), settings.destinations, where.outbox)
        for one in settings.models
    }
    every = Readers(
        readers,
        {one.name: unknown(one.name) for one in settings.models if not one.hold},
        [one.name for one in settings.models if one.hold],
        shelf,
    )
    report = _report(reporters, reporters[next(iter(readers))])
    return Equipment(every, report, networks, reporters)


def build_reading(
    settings: Settings,
    place: Place,
    models: Sequence[Opened],
    ledger: Ledger,
    clock: Chronometer,
    settled: Callable[[], None],
) -> tuple[Pipeline, Decoders]:
    """Build the pipeline, and the decoders that it uses.

    Raises
    ------
    Misconfigured
        No model can be used.
    """
    home = place.home()
    which = f"{home.uid[:6]}-" if settings.ledger.url else ""
    flags = [one for one in Signal if one.kind is SignalKind.FLAG]
    Notes(ledger).forget(flags, which)  # models may have gone since they were set
    name = f"{which}{home.name}-{settings.node.ae_title}"[:_NAME_LENGTH]
    number = _openers(settings.reading)
    decoders = Decoders(settings.reading, number)
    where = Surroundings(place.spool, place.outbox, InLedger(ledger), name, decoders, clock)
    equipment = equip(settings, models, where)
    first, reader = next(iter(equipment.readers.readers.items()))
    guarded("reading", lambda: equipment.reporters[first].warm_up(reader.identity, clock()))
    worker = Worker(
        name=name,
        queue=Queue(ledger),
        reader=equipment.readers,
        report=equipment.report,
        destinations=settings.destination_names(),
        settings=settings.reading,
        clock=clock,
        settled=settled,
    )
    return Pipeline(worker, number, equipment.batch_size), decoders


def _on_demand(loader: Loader, models: Sequence[Opened]) -> dict[str, Shelved]:
    """Return what loads each model that is not loaded at the start and can be used."""
    return {
        one.model.name: Shelved(
            one.package,
            partial(loader.load_on_demand, one.model, one.package),
            weight_of(one.package),
        )
        for one in models
        if one.package is not None and one.model.load == "first_use"
    }


def _pinned(
    loader: Loader, models: Sequence[Opened], on_demand: Collection[str]
) -> dict[str, Networks]:
    """Load every other package that can be used; say which models are out of service."""
    opened: dict[str, Networks] = {}
    problems: list[str] = []
    for one in models:
        name = one.model.name
        if one.model.hold or name in on_demand:
            continue
        if one.package is not None:
            try:
                opened[name] = loader.load(one.model, one.package)
            except Misconfigured as error:
                problems.append(str(error))
        if name not in opened:
            loader.out_of_service(name)
    if not (opened or on_demand):
        raise Misconfigured("\n".join(problems))
    for words in problems:
        logger.error("out of service: %s", words)
    return opened


def _reader(settings: Settings, where: Surroundings, model: Model, stages: Stages) -> Reader:
    route, package = router(settings), stages.package
    return Reader(
        package=package,
        analysis=analysis_of(stages),
        spool=where.spool,
        settings_digest=settings.results_digest(model),
        decode=where.decoders.decode,
        describe=where.decoders.describe,
        meant=Meant(
            package.manifest,
            settings.reading,
            lambda term: where.signals.count(Signal.REFUSED_BODY_PART, label=term),
            lambda header, origin: model.name in route(header, origin),
        ),
        site_points=model.operating_points,
    )


def _report(reporters: dict[str, Reporter], otherwise: Reporter) -> Report:
    def report(reading: StudyReading, withdrawal: Withdrawal | None) -> Reported:
        return reporters.get(reading.model_name, otherwise).report(reading, withdrawal)

    return report


def _openers(settings: Reading) -> int:
    """Return how many images are decoded at the same time."""
    return settings.decoders or min(len(os.sched_getaffinity(0)), _MOST_OPENERS)
