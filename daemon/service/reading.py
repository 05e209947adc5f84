"""What reads: the models, their devices, the decoders, the worker and its threads."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
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
from daemon.ledger.notes import Noted, Notes
from daemon.reading.analysis.by_view import analysis_of
from daemon.reading.device.opening import Networks, open_networks
from daemon.reading.meant import Meant
from daemon.reading.pipeline import Pipeline
from daemon.reading.reader import Reader
from daemon.reading.readers import Readers, unknown
from daemon.reading.sandbox import Decoders
from daemon.reading.signalling import InLedger, Signalling
from daemon.reading.worker import Reporter as Report
from daemon.reading.worker import Worker
from daemon.records import Reported, StudyReading, Withdrawal
from daemon.results.reporter import Reporter
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


def package_name(model: Model, settings_file: Path) -> str:
    """Return name and version of a model's package; see `open_package`."""
    manifest = open_package(model, settings_file).manifest
    return f"{manifest.name} {manifest.version}"


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
    """What reads studies and what reports them, each of every model of the settings."""

    readers: Readers
    report: Report
    networks: Mapping[str, Networks]
    reporters: Mapping[str, Reporter]


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
    """Load every model on its device, and build what reads and reports with it.

    Raises
    ------
    Misconfigured
        No model can be used.
    """
    networks = _networks(settings, models, where)
    readers = {
        one.name: _reader(settings, where, one, networks[one.name])
        for one in settings.models
        if one.name in networks
    }
    reporters = {
        one.name: Reporter(settings.report_of(one), settings.destinations, where.outbox)
        for one in settings.models
    }
    every = Readers(
        readers,
        {one.name: unknown(one.name) for one in settings.models if not one.hold},
        [one.name for one in settings.models if one.hold],
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
    batch_size = partial(_largest_batch, list(equipment.networks.values()))
    return Pipeline(worker, number, batch_size), decoders


def _networks(
    settings: Settings, models: Sequence[Opened], where: Surroundings
) -> dict[str, Networks]:
    """Load every package that can be used; say which models are out of service."""
    opened: dict[str, Networks] = {}
    problems: list[str] = []
    signals, worker = where.signals, where.worker
    for one in (one for one in models if not one.model.hold):
        name, package = one.model.name, one.package
        provider = one.model.provider or settings.reading.provider
        reading = settings.reading.model_copy(update={"provider": provider})
        if package is not None:
            try:
                opened[name] = open_networks(reading, package, signals, worker, name)
            except Misconfigured as error:
                problems.append(f"model {name}: {error}")
        if name not in opened:
            signals.note(Noted(Signal.OUT_OF_SERVICE, where.clock(), name, worker))
    if not opened:
        raise Misconfigured("\n".join(problems))
    for words in problems:
        logger.error("out of service: %s", words)
    return opened


def _reader(settings: Settings, where: Surroundings, model: Model, networks: Networks) -> Reader:
    route, package = router(settings), networks.package
    return Reader(
        package=package,
        analysis=analysis_of(networks),
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


def _largest_batch(networks: Sequence[Networks]) -> int:
    return max(one.batch_size for one in networks)


def _openers(settings: Reading) -> int:
    """Return how many images are decoded at the same time."""
    return settings.decoders or min(len(os.sched_getaffinity(0)), _MOST_OPENERS)
