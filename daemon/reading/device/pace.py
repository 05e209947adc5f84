"""How fast a network is on its device, by batch size: measured, never assumed.

On a CPU one image at a time is often the fastest (its activations stay in the cache), on a GPU
many are; where a batch stops paying is a matter of network and device.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from daemon.clock import Stopwatch
from daemon.reading.device.outputs import PREDICTED, Output, Runs
from daemon.reading.device.providers import OutOfMemory
from model.package import golden_input

BATCHES = (1, 2, 4, 8, 16, 32)
_WORTH = 0.95
"""A larger batch must save this share of the time for each image, or it only adds waiting."""
_ENOUGH_S = 1.0
_REPETITIONS = 3


@dataclass(frozen=True)
class Pace:
    """What calls with `batch` images took, seconds for each call, ascending."""

    batch: int
    seconds: tuple[float, ...]

    @property
    def s_per_image(self) -> float:
        """The quickest call's time, for one of its images: noise only ever adds."""
        return self.seconds[0] / self.batch


def at_batch(
    network: Runs[Output],
    size: int,
    batch: int,
    stopwatch: Stopwatch,
    repetitions: int = _REPETITIONS,
) -> Pace:
    """Time calls with one batch size, after one that does not count.

    Raises
    ------
    OutOfMemory
        The device has no memory for so many images.
    """
    images = np.repeat(golden_input(size), batch, axis=0)
    targets = np.full(batch, PREDICTED)
    network.run(images, targets)
    seconds: list[float] = []
    while len(seconds) < repetitions and sum(seconds) < _ENOUGH_S * repetitions / _REPETITIONS:
        start = stopwatch()
        network.run(images, targets)
        seconds.append(stopwatch() - start)
    return Pace(batch, tuple(sorted(seconds)))


def curve(
    network: Runs[Output],
    size: int,
    batches: Sequence[int] = BATCHES,
    stopwatch: Stopwatch = time.perf_counter,
) -> Iterator[Pace]:
    """Time growing batches, up to the last that fits into the device's memory."""
    for batch in batches:
        try:
            yield at_batch(network, size, batch, stopwatch)
        except OutOfMemory:
            return


def worthwhile(paces: Iterator[Pace]) -> list[Pace]:
    """Return the batches that pay, smallest first: the last is the one to use."""
    chosen: list[Pace] = []
    for pace in paces:
        if chosen and pace.s_per_image > chosen[-1].s_per_image * _WORTH:
            break
        chosen.append(pace)
    return chosen
