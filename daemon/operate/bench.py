"""How fast a site's model package is on the site's own device: `wristd bench`.

Nothing of the state is touched, so it may run beside the daemon; both are slower then.
"""

import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from daemon.clock import Stopwatch
from daemon.operate.chart import Curve, draw
from daemon.reading.device.opening import open_session
from daemon.reading.device.pace import BATCHES, Pace, at_batch
from daemon.reading.device.providers import OutOfMemory
from daemon.reading.device.sessions import Graph, OnnxSession
from daemon.settings import Reading

_REPETITIONS, _QUICK = 30, 5
_QUICK_BATCHES = (1, 4, 8)


@dataclass(frozen=True)
class Bench:
    """What was measured.

    Attributes
    ----------
    model : str
        Name and version of the package.
    device : str
        What really ran it.
    load_s : float
        From the file to the golden input's answer.
    peak_mib : float
        Largest resident memory of the process; a GPU's own is not in it.
    paces : tuple of Pace
        Calls by batch size, evidence included.
    """

    model: str
    device: str
    load_s: float
    peak_mib: float
    paces: tuple[Pace, ...]

    def table(self) -> Table:
        """Return the figures for a terminal."""
        shown = Table("batch", "images/s", "p50 ms", "p95 ms", title=self.headline())
        for pace in self.paces:
            p50, p95 = latency_ms(pace)
            shown.add_row(str(pace.batch), f"{rate(pace):.1f}", f"{p50:.1f}", f"{p95:.1f}")
        return shown

    def headline(self) -> str:
        """Say in one line what ran where."""
        return (
            f"{self.model} on {self.device}: "
            f"loaded in {self.load_s:.1f} s, {self.peak_mib:.0f} MiB at most"
        )

    def plot(self, file: Path) -> None:
        """Draw images a second, and latency, over the batch size (PNG)."""
        batches = [float(pace.batch) for pace in self.paces]
        latencies = [latency_ms(pace) for pace in self.paces]
        draw(
            file,
            self.headline(),
            {
                "images/s": [Curve("images/s", batches, [rate(pace) for pace in self.paces])],
                "ms for each call": [
                    Curve("p50", batches, [p50 for p50, _ in latencies]),
                    Curve("p95", batches, [p95 for _, p95 in latencies]),
                ],
            },
        )


def rate(pace: Pace) -> float:
    """Images a second, by the median call."""
    return pace.batch / float(np.median(pace.seconds))


def latency_ms(pace: Pace) -> tuple[float, float]:
    """Median and 95th percentile of the calls, ms."""
    p50, p95 = np.percentile(pace.seconds, [50, 95]) * 1000.0
    return float(p50), float(p95)


def bench(
    package: Graph,
    settings: Reading,
    *,
    quick: bool,
    stopwatch: Stopwatch = time.perf_counter,
) -> Bench:
    """Load a graph as the daemon would, and time it.

    Raises
    ------
    Misconfigured
        The package or the provider cannot be used.
    """
    start = stopwatch()
    session = open_session(settings, package)
    load_s = stopwatch() - start
    paces = tuple(_paces(session, package.manifest.pixels.size, quick, stopwatch))
    return Bench(
        model=f"{package.manifest.name} {package.manifest.version}",
        device=session.device,
        load_s=load_s,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        paces=paces,
    )


def _paces(
    session: OnnxSession[Any], size: int, quick: bool, stopwatch: Stopwatch
) -> Iterator[Pace]:
    """Time growing batches, up to the last that fits into the device's memory."""
    batches = _QUICK_BATCHES if quick else BATCHES
    for batch in (session.fixed_batch,) if session.fixed_batch else batches:
        try:
            yield at_batch(session, size, batch, stopwatch, _QUICK if quick else _REPETITIONS)
        except OutOfMemory:
            return
