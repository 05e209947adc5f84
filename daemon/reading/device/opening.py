"""Load a package's graphs onto their device, each under its own guard."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from daemon.errors import Misconfigured
from daemon.reading.device.guard import DEGRADED, Guard
from daemon.reading.device.outputs import Answers, LandmarkOutput, NetworkOutput
from daemon.reading.device.providers import is_missed
from daemon.reading.device.sessions import Graph, LandmarkSession, OnnxSession, Session
from daemon.reading.signalling import Signalling
from daemon.settings import Reading
from daemon.signals import Signal
from model.chain_package import AnyPackage
from model.landmarks import LandmarkPackage
from model.package import ModelPackage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Networks:
    """The guarded graphs of one package, by the names of its stages; "" where it has one graph."""

    package: AnyPackage
    classifiers: Mapping[str, Guard[NetworkOutput]]
    localisers: Mapping[str, Guard[LandmarkOutput]]

    @property
    def batch_size(self) -> int:
        """Images that make a batch: as many as the classifiers take."""
        return max(guard.batch_size for guard in self.classifiers.values())

    def put_away(self) -> None:
        """Take down what is noted of every graph; the memory goes with the last reference."""
        for classifier in self.classifiers.values():
            classifier.put_away()
        for localiser in self.localisers.values():
            localiser.put_away()


def open_networks(
    settings: Reading, package: AnyPackage, signals: Signalling, worker: str, model: str = ""
) -> Networks:
    """Load every graph of a package on its device, measure it, and watch it from then on.

    `worker` reads with it, and `model` is its name in the settings: notes in the ledger are theirs.

    Raises
    ------
    Misconfigured
        A graph or the provider cannot be used.
    """
    if isinstance(package, ModelPackage):
        return Networks(package, {"": build_guard(settings, package, signals, worker, model)}, {})
    whose = {name: f"{model}/{name}" for name in package.graphs}
    return Networks(
        package=package,
        classifiers={
            name: build_guard(settings, one, signals, worker, whose[name])
            for name, one in package.classifiers.items()
        },
        localisers={
            name: _guard(settings, one, LandmarkSession, signals, (worker, whose[name]))
            for name, one in package.localisers.items()
        },
    )


def build_guard(
    settings: Reading, package: ModelPackage, signals: Signalling, worker: str, model: str = ""
) -> Guard[NetworkOutput]:
    """Load a classifier on its device, measure it, and watch it from then on.

    Raises
    ------
    Misconfigured
        The package or the provider cannot be used.
    """
    return _guard(settings, package, Session, signals, (worker, model))


def open_session(
    settings: Reading, package: Graph
) -> OnnxSession[NetworkOutput] | OnnxSession[LandmarkOutput]:
    """Load a graph on the device that the settings name.

    Raises
    ------
    Misconfigured
        The package or the provider cannot be used.
    """
    if isinstance(package, LandmarkPackage):
        return _session(settings, package, LandmarkSession)
    return _session(settings, package, Session)


def _session(
    settings: Reading, package: Graph, kind: type[OnnxSession[Answers]]
) -> OnnxSession[Answers]:
    graph_batch = (package.manifest.batch or settings.batch_size) if settings.cuda_graph else 0
    if settings.cuda_graph and not graph_batch:
        raise Misconfigured(
            "reading.cuda_graph needs batches of one size: set reading.batch_size, "
            "or export the package with --batch"
        )
    return kind(package, settings.provider, settings.threads, graph_batch=graph_batch)


def _guard(
    settings: Reading,
    package: Graph,
    kind: type[OnnxSession[Answers]],
    signals: Signalling,
    whose: tuple[str, str],
) -> Guard[Answers]:
    worker, model = whose
    session = _session(settings, package, kind)
    guard = Guard(
        network=session,
        package=package,
        settings=settings,
        signals=signals,
        worker=worker,
        model=model,
        on_cpu=lambda: kind(package, "cpu", settings.threads),
        fixed_batch=session.fixed_batch,
    )
    missed = is_missed(settings.provider, session.provider)
    for why in DEGRADED:
        guard.degrade(why, degraded=missed and why is Signal.NO_DEVICE)
    guard.warm_up()
    manifest = package.manifest
    logger.info(
        "model package %s %s (%s) on %s",
        manifest.name,
        manifest.version,
        package.digest[:12],
        session.device,
    )
    return guard
