"""What reads: the models, their devices, the decoders, the worker and its threads."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daemon.assembly.route import Route, models_for
from daemon.clock import Chronometer
from daemon.errors import Misconfigured
from daemon.guarded import guarded
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.reading.device.guard import Guard
from daemon.reading.flags import flag_of, flags_of
from daemon.reading.meant import Meant
from daemon.reading.models import Readers, unknown
from daemon.reading.pipeline import Pipeline
from daemon.reading.read import Reader
from daemon.reading.sandbox import Decoders
from daemon.reading.tally import Tally
from daemon.reading.wiring import build_guard, open_package, openers
from daemon.reading.worker import Reporter as Report
from daemon.reading.worker import Worker
from daemon.records import ResultFile, StudyReading, Withdrawal
from daemon.results.reporter import Reporter
from daemon.settings import Model, Place, Settings
from model.package import ModelPackage

logger = logging.getLogger(__name__)

OUT_OF_SERVICE = "alert_model_out_of_service"
"""Counter in the ledger: starts at which a model could not be used."""
_NAME_LENGTH = 64
"""Of a worker, in the ledger."""


@dataclass(frozen=True)
class Opened:
    """A model of the settings, and its package where that can be used."""

    model: Model
    package: ModelPackage | None

    def recipe(self, settings: Settings) -> str:
        """Name how it reads a study: another package or other settings make another job."""
        package = self.package.digest[:47] if self.package is not None else "out of service"
        return f"{package}-{settings.results_digest(self.model)}"


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
            opened.append(Opened(model, open_package(model, settings_file)))
        except Misconfigured as error:
            problems.append(str(error))
            opened.append(Opened(model, None))
    if len(problems) == len(opened):
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
    guards: Mapping[str, Guard]
    reporters: Mapping[str, Reporter]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where models read from and write to, and who keeps count of it.

    `worker` is the name under which flags are set.
    """

    spool: Path
    outbox: Path
    tally: Tally
    worker: str
    decoders: Decoders


def equip(settings: Settings, models: Sequence[Opened], where: Surroundings) -> Equipment:
    """Load every model on its device, and build what reads and reports with it.

    Raises
    ------
    Misconfigured
        No model can be used.
    """
    guards = _guards(settings, models, where.tally, where.worker)
    readers = {
        one.model.name: _reader(settings, where, one.model, guards[one.model.name])
        for one in models
        if one.model.name in guards
    }
    destinations = settings.every_destination()
    reporters = {
        one.name: Reporter(settings.report_of(one), destinations, where.outbox, where.tally.count)
        for one in settings.models
    }
    unused = {one.name: unknown(one.name) for one in settings.models}
    report = _report(reporters, reporters[next(iter(readers))])
    return Equipment(Readers(readers, unused), report, guards, reporters)


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
    for flag in flags_of(ledger.counters(), which):  # models may have gone since it was set
        ledger.set_flag(flag, on=False)
    name = f"{which}{home.name}-{settings.node.ae_title}"[:_NAME_LENGTH]
    number = openers(settings.reading)
    decoders = Decoders(settings.reading, number)
    where = Surroundings(place.spool, place.outbox, ledger, name, decoders)
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
    batch_size = partial(_largest_batch, list(equipment.guards.values()))
    return Pipeline(worker, number, batch_size), decoders


def _guards(
    settings: Settings, models: Sequence[Opened], tally: Tally, worker: str
) -> dict[str, Guard]:
    """Load every package that can be used; say which models are out of service."""
    guards: dict[str, Guard] = {}
    problems: list[str] = []
    for one in models:
        name, package = one.model.name, one.package
        provider = one.model.provider or settings.reading.provider
        reading = settings.reading.model_copy(update={"provider": provider})
        who = worker if len(models) == 1 else f"{name} {worker}"[:_NAME_LENGTH]
        if package is not None:
            try:
                guards[name] = build_guard(reading, package, tally, who)
            except Misconfigured as error:
                problems.append(f"model {name}: {error}")
        if is_out := name not in guards:
            tally.count(OUT_OF_SERVICE)
        tally.set_flag(flag_of("degraded", f"model {name} out of service", worker), on=is_out)
    if not guards:
        raise Misconfigured("\n".join(problems))
    for words in problems:
        logger.error("out of service: %s", words)
    return guards


def _reader(settings: Settings, where: Surroundings, model: Model, guard: Guard) -> Reader:
    route, package = router(settings), guard.package
    return Reader(
        package=package,
        network=guard,
        spool=where.spool,
        settings_digest=settings.results_digest(model),
        decode=where.decoders.decode,
        describe=where.decoders.describe,
        meant=Meant(
            package.manifest,
            settings.reading,
            where.tally.count,
            lambda header, calling_ae: model.name in route(header, calling_ae),
        ),
        site_points=model.operating_points,
    )


def _report(reporters: dict[str, Reporter], otherwise: Reporter) -> Report:
    def report(reading: StudyReading, withdrawal: Withdrawal | None) -> list[ResultFile]:
        return reporters.get(reading.model_name, otherwise).report(reading, withdrawal)

    return report


def _largest_batch(guards: Sequence[Guard]) -> int:
    return max(one.batch_size for one in guards)
