"""Models that are loaded when a study needs them, and put away when others need the room.

Only inference uses a loaded model, and it runs in one thread; studies are opened without it::

    fetch   a study is opened     its model is loaded while others are read; room is made by models
                                  that no opened study waits for, or the model stays away
    take    a study is read       its model is loaded if it is still away; the least recently used
                                  make room

What is put away is loaded anew when it is needed again. A model that cannot be used stays away.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Generic
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from daemon.reading.device.guard import Offline
from daemon.reading.device.opening import Networks
from daemon.reading.device.outputs import Given, LandmarkOutput, Network, Runs
from model.chain_package import AnyPackage
from model.package import ModelPackage

logger = logging.getLogger(__name__)

NOT_LOADED = "not loaded"
"""In place of the execution provider."""

Keep = Callable[[], None]
"""Called while a study waits, so that its lease lasts."""


@dataclass(frozen=True, eq=False)
class Shelved:
    """A model that is loaded on demand.

    Attributes
    ----------
    package : ModelPackage or ChainPackage
    load : callable
        Loads it; raises Offline when it cannot be used at all.
    weight : int
        Bytes that count against the ceiling while it is loaded.
    """

    package: AnyPackage
    load: Callable[[], Networks]
    weight: int


@dataclass(eq=False)
class Shelf:
    """The models that are loaded on demand; safe to share between threads.

    Attributes
    ----------
    models : mapping
        By name. None weighs more than `room`.
    room : float
        Bytes that the loaded ones may weigh together.
    keep_every_s : float
        Who waits for a load keeps his lease so often.
    """

    models: Mapping[str, Shelved] = field(default_factory=dict)
    room: float = math.inf
    keep_every_s: float = 5.0
    _loads: dict[str, Future[Networks]] = field(default_factory=dict, init=False)
    """What is loaded or being loaded, the least recently used first."""
    _out_of_service: set[str] = field(default_factory=set, init=False)
    _held: WeakKeyDictionary[object, tuple[str, Keep]] = field(
        default_factory=WeakKeyDictionary, init=False
    )
    """The studies that are opened and not read yet, each with its model."""
    _lock: Lock = field(default_factory=Lock, init=False)
    _one_at_a_time: Lock = field(default_factory=Lock, init=False)
    """A model is measured when it is loaded: another load beside it would be measured, too."""

    def fetch(self, name: str, study: object, keep: Keep) -> None:
        """Load the model of an opened study, unless that takes one away that others wait for.

        The study holds its model from now on, until it is read or forgotten.

        Raises
        ------
        Offline
            The model is out of service.
        Unavailable
            The device does not answer now.
        """
        if name not in self.models:
            return
        with self._lock:
            self._held[study] = name, keep
        load = self._load_of(name, spare_held=True)
        if load is not None:
            self._await(load, keep)
            load.result()

    def take(self, name: str) -> Networks:
        """Return a loaded model, for inference; who loads it keeps the leases of all that wait.

        Raises
        ------
        Offline, Unavailable
            As `fetch`.
        """
        while (load := self._load_of(name, spare_held=False)) is None:
            for other in self._under_way():  # it takes room, and cannot be put away before
                self._await(other, self._keep_all)
        self._await(load, self._keep_all)
        return load.result()

    @contextmanager
    def holding(self, name: str, studies: Sequence[object]) -> Iterator[None]:
        """Hold a model while its studies are read, and let it go then."""
        with self._lock:
            for study in studies:
                self._held.setdefault(study, (name, _nothing))
        try:
            yield
        finally:
            with self._lock:
                for study in studies:
                    self._held.pop(study, None)

    def loaded(self, name: str) -> Networks | None:
        """Return a model if it is loaded now."""
        load = self._loads.get(name)
        if load is None or not load.done() or load.exception() is not None:
            return None
        return load.result()

    @property
    def batch_size(self) -> int:
        """Images that make a batch: as many as any loaded model takes."""
        there = [self.loaded(name) for name in self.models]
        return max((one.batch_size for one in there if one is not None), default=1)

    def _load_of(self, name: str, *, spare_held: bool) -> Future[Networks] | None:
        """Return the load of a model, begun now where it is away; None where there is no room."""
        with self._lock:
            if name in self._out_of_service:
                raise Offline(f"model {name} is out of service")
            load = self._loads.pop(name, None)
            if load is None:
                if not self._make_room(self.models[name].weight, spare_held=spare_held):
                    return None
                load = Future()
                args = (name, load)
                Thread(target=self._load, args=args, name="loading", daemon=True).start()
            self._loads[name] = load  # at the end: the most recently used
            return load

    def _make_room(self, weight: int, *, spare_held: bool) -> bool:
        """Put the least recently used models away until there is room; none if that is too few."""
        spared = {name for name, _ in self._held.values()} if spare_held else set()
        lacking = weight + sum(self.models[one].weight for one in self._loads) - self.room
        going: list[str] = []
        for name, load in self._loads.items():
            if lacking <= 0:
                break
            if load.done() and name not in spared:
                going.append(name)
                lacking -= self.models[name].weight
        if lacking > 0:
            return False
        for name in going:  # within the lock: before anybody loads it again
            self._loads.pop(name).result().put_away()
            logger.info("model %s is put away: another needs the room", name)
        return True

    def _load(self, name: str, load: Future[Networks]) -> None:
        try:
            with self._one_at_a_time:
                networks = self.models[name].load()
        except Exception as error:  # noqa: BLE001 - for those who wait for it
            with self._lock:
                del self._loads[name]
                if isinstance(error, Offline):
                    self._out_of_service.add(name)
            load.set_exception(error)
        else:
            load.set_result(networks)

    def _await(self, load: Future[Networks], keep: Keep) -> None:
        """Wait until a load has ended, whatever its end."""
        while load not in wait([load], timeout=self.keep_every_s).done:
            keep()

    def _under_way(self) -> list[Future[Networks]]:
        with self._lock:
            return [load for load in self._loads.values() if not load.done()]

    def _keep_all(self) -> None:
        with self._lock:
            keeps = [keep for _, keep in self._held.values()]
        for keep in keeps:
            keep()


@dataclass(frozen=True, eq=False)
class ShelvedNetwork(Generic[Given]):
    """One network of a model that is loaded on demand: it is taken from the shelf at each call."""

    shelf: Shelf
    model: str
    among: Callable[[Networks], Runs[Given]]

    @property
    def provider(self) -> str:
        """The execution provider that runs it now, if any."""
        networks = self.shelf.loaded(self.model)
        return NOT_LOADED if networks is None else self.among(networks).provider

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64]) -> Given:
        """Run a batch; see `Shelf.take` and `Guard.run`."""
        return self.among(self.shelf.take(self.model)).run(images, targets)


@dataclass(frozen=True, eq=False)
class ShelvedStages:
    """The networks of a model that is loaded on demand, by the names of its stages."""

    package: AnyPackage
    classifiers: Mapping[str, Network]
    localisers: Mapping[str, Runs[LandmarkOutput]]


def stages_of(shelf: Shelf, model: str) -> ShelvedStages:
    """Return what stands for the networks of a model until they are loaded."""
    package = shelf.models[model].package
    if isinstance(package, ModelPackage):
        return ShelvedStages(package, {"": _classifier(shelf, model, "")}, {})
    return ShelvedStages(
        package=package,
        classifiers={name: _classifier(shelf, model, name) for name in package.classifiers},
        localisers={name: _localiser(shelf, model, name) for name in package.localisers},
    )


def _classifier(shelf: Shelf, model: str, stage: str) -> Network:
    return ShelvedNetwork(shelf, model, lambda networks: networks.classifiers[stage])


def _localiser(shelf: Shelf, model: str, stage: str) -> Runs[LandmarkOutput]:
    return ShelvedNetwork(shelf, model, lambda networks: networks.localisers[stage])


def _nothing() -> None:
    """Keep no lease: the study is being read."""
