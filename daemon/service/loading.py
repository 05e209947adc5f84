"""Load models on their devices: when, and under which ceiling."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daemon.clock import Clock
from daemon.errors import Misconfigured, Unavailable
from daemon.ledger.notes import Noted
from daemon.reading.device.guard import Offline
from daemon.reading.device.opening import Networks, open_networks
from daemon.reading.signalling import Signalling
from daemon.settings import Model, Reading, Settings
from daemon.signals import Signal
from model.chain_package import AnyPackage, load
from model.package import GRAPH_FILE, PackageError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Loader:
    """Loads the packages of models, and says which are out of service; `worker` says so."""

    settings: Reading
    signals: Signalling
    worker: str
    clock: Clock

    def load(self, model: Model, package: AnyPackage) -> Networks:
        """Load a model as it was verified a moment ago.

        Raises
        ------
        Misconfigured
            A graph or the provider cannot be used.
        """
        provider = model.provider or self.settings.provider
        reading = self.settings.model_copy(update={"provider": provider})
        try:
            return open_networks(reading, package, self.signals, self.worker, model.name)
        except Misconfigured as error:
            raise Misconfigured(f"model {model.name}: {error}") from error

    def load_on_demand(self, model: Model, package: AnyPackage) -> Networks:
        """Load a model for a study, if its files are still those that were verified at the start.

        Raises
        ------
        Offline
            It cannot be used, and is out of service until the next start.
        """
        try:
            _verify_unchanged(model, package)
            networks = self.load(model, package)
        except Misconfigured as error:
            logger.error("out of service: %s", error)  # noqa: TRY400 - it says enough
            self._told(lambda: self.out_of_service(model.name))
            raise Offline(f"model {model.name} is out of service") from error
        self._told(lambda: self.signals.count(Signal.MODEL_LOADS, label=model.name))
        return networks

    def out_of_service(self, name: str) -> None:
        """Note that a model cannot be used."""
        self.signals.note(Noted(Signal.OUT_OF_SERVICE, self.clock(), name, self.worker))

    def _told(self, tell: Callable[[], None]) -> None:
        """Count or note; what the ledger does not take now does not stop the reading."""
        try:
            tell()
        except Unavailable as error:
            logger.warning("not noted in the ledger: %s", error)


def weight_of(package: AnyPackage) -> int:
    """Return what the graphs of a package and their external data weigh, bytes."""
    files = (
        one.folder / file
        for one in package.graphs.values()
        for file in (GRAPH_FILE, *one.manifest.external_data)
    )
    return sum(file.stat().st_size for file in files)


def room_on_demand(settings: Settings, packages: Mapping[str, AnyPackage]) -> float:
    """Return the bytes that models which are loaded on demand may weigh together.

    Parameters
    ----------
    settings : Settings
    packages : mapping name of the model -> package
        Those that can be used.

    Raises
    ------
    Misconfigured
        The ceiling is too low for the others, or for one of these beside the others.
    """
    ceiling = settings.reading.max_models_bytes
    if not ceiling:
        return math.inf
    is_pinned = {one.name: one.load == "start" for one in settings.models}
    weights = {name: weight_of(package) for name, package in packages.items()}
    pinned = sum(weight for name, weight in weights.items() if is_pinned[name])
    if pinned > ceiling:
        raise Misconfigured(
            f"the models that are loaded at the start weigh {pinned} bytes, "
            f"reading.max_models_bytes allows {ceiling}: raise it, "
            'or give one of them load = "first_use"'
        )
    for name, weight in weights.items():
        if not is_pinned[name] and weight > ceiling - pinned:
            raise Misconfigured(
                f"model {name} weighs {weight} bytes, reading.max_models_bytes leaves "
                f"{ceiling - pinned} beside the models that are loaded at the start: raise it"
            )
    return ceiling - pinned


def room_in_words(settings: Settings, packages: Mapping[str, AnyPackage]) -> str:
    """Say how much there is for models that are loaded on demand; see `room_on_demand`."""
    room = room_on_demand(settings, packages)
    return f"{room} bytes for models that are loaded at their first use"


def _verify_unchanged(model: Model, package: AnyPackage) -> None:
    """Verify the files anew: results name the digest of the start.

    Raises
    ------
    Misconfigured
        They are others now, or damaged.
    """
    try:
        digest = load(package.folder).digest
    except PackageError as error:
        raise Misconfigured(f"model {model.name}: {error}") from error
    if digest != package.digest:
        raise Misconfigured(
            f"model {model.name}: the package was replaced since the start: start again to use it"
        )
