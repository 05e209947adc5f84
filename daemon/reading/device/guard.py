"""A network under watch: what its device does not do any more is seen, counted and never silent.

::

    no memory for a batch      half of it, down to one image
    fails, golden input good   the call failed, not the device: tried again later, as ever
    fails, golden input bad    the device is lost: the CPU instead, or "model offline" (a setting)
    much slower than at start  counted and shown, until it is as fast as it was
"""

import logging
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from daemon.clock import Clock, Stopwatch, utc_now
from daemon.errors import Misconfigured, Strained, Unavailable
from daemon.ledger.notes import Noted
from daemon.reading.device.outputs import Answers
from daemon.reading.device.pace import BATCHES, Pace, curve, worthwhile
from daemon.reading.device.providers import CPU, OutOfMemory
from daemon.reading.device.sessions import Graph, OnnxSession, check_golden
from daemon.reading.signalling import Signalling
from daemon.settings import Reading
from daemon.signals import Signal

logger = logging.getLogger(__name__)

DEGRADED = (Signal.DEVICE_LOST, Signal.SLOWER, Signal.NO_DEVICE)
"""Why reading is degraded while a model is in service."""

_LATEST_CALLS = 5
"""Calls whose median is compared with the start: one slow call is chance."""
_SHORTEST_S = 1e-6


class Offline(Unavailable):
    """There is no device or model left that may read."""


@dataclass(eq=False)
class Guard(Generic[Answers]):
    """A network around another.

    Attributes
    ----------
    network : OnnxSession
        The one in use; replaced when its device is lost.
    package, settings
    signals : Signalling
        Takes counters and notes.
    worker : str
        Who reads: several may share the ledger.
    model : str
        What is read, as the settings name it.
    on_cpu : callable
        Makes the network that takes over.
    fixed_batch : int or None
        Images that the graph takes in each call, where it does not take any number.
    batch_size : int
        Images for each call; chosen by measurement at the start, halved when they do not fit.
    is_offline : bool
        Nothing is read any more.
    """

    network: OnnxSession[Answers]
    package: Graph
    settings: Reading
    signals: Signalling
    worker: str
    on_cpu: Callable[[], OnnxSession[Answers]]
    fixed_batch: int | None = None
    stopwatch: Stopwatch = time.perf_counter
    model: str = ""
    clock: Clock = utc_now
    batch_size: int = field(default=1, init=False)
    is_offline: bool = field(default=False, init=False)
    _usual: list[Pace] = field(default_factory=list, init=False)
    _latest: deque[float] = field(default_factory=lambda: deque(maxlen=_LATEST_CALLS), init=False)
    _degraded: set[Signal] = field(default_factory=set, init=False)

    @property
    def provider(self) -> str:
        """The execution provider that runs it now."""
        return self.network.provider

    def warm_up(self) -> None:
        """Measure the device, choose the batch size, and remember how fast it was.

        Raises
        ------
        Misconfigured
            Not even one image fits.
        """
        batch = self.fixed_batch or self.settings.batch_size
        batches = (batch,) if batch else BATCHES
        size = self.package.manifest.pixels.size
        self._usual = worthwhile(curve(self.network, size, batches, self.stopwatch))
        if not self._usual:
            raise Misconfigured(
                f"the device of {self.provider} has no memory for {batches[0]} images"
            )
        chosen = self._usual[-1]
        self.batch_size = chosen.batch
        self._latest.clear()
        self._flag(Signal.READS_ON, words=self.network.device)
        logger.info(
            "%d images for each call, %.0f ms for each image on %s",
            chosen.batch,
            chosen.s_per_image * 1000.0,
            self.network.device,
        )

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64]) -> Answers:
        """Run any number of images, `batch_size` in each call.

        Raises
        ------
        Offline
            The device is lost and the settings do not allow another.
        Unavailable
            The call failed; the study is tried again later.
        """
        parts: list[Answers] = []
        done = 0
        while done < len(images):
            if self.is_offline:
                raise Offline(f"the device of {self.provider} is lost")
            piece = slice(done, done + self.batch_size)
            if (part := self._call(images[piece], targets[piece])) is not None:
                parts.append(part)
                done += part.images
        return parts[0] if len(parts) == 1 else _joined(parts)

    def degrade(self, why: Signal, *, degraded: bool = True) -> None:
        """Note that reading is degraded, or is not any more."""
        if degraded:
            self._degraded.add(why)
        else:
            self._degraded.discard(why)
        self._flag(why, is_so=degraded)

    def put_away(self) -> None:
        """Take down all that is noted of it: it will not run any more."""
        for signal in (Signal.READS_ON, *DEGRADED):
            self._flag(signal, is_so=False)

    def _flag(self, signal: Signal, *, is_so: bool = True, words: str = "") -> None:
        note = Noted(signal, self.clock(), self.model, self.worker, words)
        self._noted(lambda: self.signals.note(note, is_so=is_so))

    def _call(self, images: NDArray[np.float32], targets: NDArray[np.int64]) -> Answers | None:
        """Run one batch; None when it is to be tried otherwise at once."""
        start = self.stopwatch()
        try:
            output = self.network.run(images, targets)
        except OutOfMemory as error:
            self._shrink(len(images), error)
            return None
        except Unavailable as error:
            if self._answers_golden():
                raise Strained(str(error), others_work=True) from error
            self._lose(error)
            return None
        self._compare(self.stopwatch() - start, len(images))
        return output

    def _shrink(self, images: int, error: OutOfMemory) -> None:
        self._noted(lambda: self.signals.count(Signal.INFERENCE_OUT_OF_MEMORY))
        if images == 1 or self.fixed_batch:
            self._lose(error)
            return
        self.batch_size = images // 2
        logger.warning("%s: %d images for each call from now on", error, self.batch_size)

    def _answers_golden(self) -> bool:
        """Ask the device the one question whose answer is known."""
        try:
            check_golden(self.network, self.package)
        except Misconfigured as error:
            logger.error("the device is not usable: %s", error)  # noqa: TRY400 - it says enough
            return False
        return True

    def _lose(self, error: Unavailable) -> None:
        """Take the CPU instead, where the settings allow it; else there is nothing left to read.

        Raises
        ------
        Unavailable
            It was the CPU that failed: there is nothing to take instead.
        """
        if self.provider == CPU:
            raise error
        self._noted(lambda: self.signals.count(Signal.INFERENCE_DEVICE_LOST))
        self.degrade(Signal.DEVICE_LOST)
        self.is_offline = not (self.settings.on_device_lost == "degrade" and self._replaced())
        words = "studies are not analysed until a restart" if self.is_offline else "on the CPU now"
        logger.error("%s: the device is lost, %s", error, words)

    def _replaced(self) -> bool:
        try:
            self.network = self.on_cpu()
            self.warm_up()
        except Misconfigured as error:
            logger.error("the CPU cannot take over: %s", error)  # noqa: TRY400 - it says enough
            return False
        return True

    def _compare(self, seconds: float, images: int) -> None:
        """Compare the latest calls with the start's of the same size, or the next larger one."""
        usual = next((pace for pace in self._usual if pace.batch >= images), None)
        if usual is None:
            return
        self._latest.append(seconds / max(usual.seconds[0], _SHORTEST_S))
        factor = statistics.median(self._latest)
        is_slow = factor > self.settings.slow_factor
        if len(self._latest) < _LATEST_CALLS or is_slow == (Signal.SLOWER in self._degraded):
            return
        if is_slow:
            logger.warning("inference takes %.1f times as long as at the start", factor)
            self._noted(lambda: self.signals.count(Signal.INFERENCE_SLOW))
        else:
            logger.info("inference is as fast as at the start again")
        self.degrade(Signal.SLOWER, degraded=is_slow)

    def _noted(self, note: Callable[[], None]) -> None:
        """Count or note; what the ledger does not take now does not stop the reading."""
        try:
            note()
        except Unavailable as error:
            logger.warning("not noted in the ledger: %s", error)


def _joined(parts: Sequence[Answers]) -> Answers:
    """Put the answers to several batches together, array by array."""
    first = parts[0]
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name, array in vars(first).items()
        if array is not None
    }
    return replace(first, **arrays)
