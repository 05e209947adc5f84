"""Build what reads, from the settings."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from daemon import outcome
from daemon.errors import Misconfigured
from daemon.reading.device.guard import Guard
from daemon.reading.device.providers import is_missed
from daemon.reading.device.sessions import Session
from daemon.reading.flags import DEGRADED, NO_DEVICE
from daemon.reading.tally import Tally
from daemon.settings import Model, Reading, resolve
from model.package import ModelPackage, PackageError, load_package

logger = logging.getLogger(__name__)

_MOST_OPENERS = 4


def open_package(model: Model, settings_file: Path) -> ModelPackage:
    """Load a model's package, judged by the site's operating points.

    Raises
    ------
    Misconfigured
        It cannot be used, or does not know a finding of the settings; the message says why.
    """
    try:
        package = load_package(resolve(settings_file, model.package))
        findings = outcome.at_site(package.manifest.findings, model.operating_points)
    except (PackageError, Misconfigured) as error:
        raise Misconfigured(f"model {model.name}: {error}") from error
    return replace(package, manifest=package.manifest.model_copy(update={"findings": findings}))


def build_guard(settings: Reading, package: ModelPackage, ledger: Tally, worker: str) -> Guard:
    """Load a package on its device, measure it, and watch it from then on.

    Raises
    ------
    Misconfigured
        The package or the provider cannot be used.
    """
    session = open_session(settings, package)
    guard = Guard(
        network=session,
        package=package,
        settings=settings,
        ledger=ledger,
        worker=worker,
        on_cpu=lambda: Session(package, "cpu", settings.threads),
        fixed_batch=session.fixed_batch,
    )
    missed = is_missed(settings.provider, session.provider)
    for why in DEGRADED:
        guard.degrade(why, degraded=missed and why == NO_DEVICE)
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


def open_session(settings: Reading, package: ModelPackage) -> Session:
    """Load a package on the device that the settings name.

    Raises
    ------
    Misconfigured
        The package or the provider cannot be used.
    """
    graph_batch = (package.manifest.batch or settings.batch_size) if settings.cuda_graph else 0
    if settings.cuda_graph and not graph_batch:
        raise Misconfigured(
            "reading.cuda_graph needs batches of one size: set reading.batch_size, "
            "or export the package with --batch"
        )
    return Session(package, settings.provider, settings.threads, graph_batch=graph_batch)


def openers(settings: Reading) -> int:
    """Return how many images are decoded at the same time."""
    return settings.decoders or min(len(os.sched_getaffinity(0)), _MOST_OPENERS)


def package_name(model: Model, settings_file: Path) -> str:
    """Return name and version of a model's package; see `open_package`."""
    manifest = open_package(model, settings_file).manifest
    return f"{manifest.name} {manifest.version}"
