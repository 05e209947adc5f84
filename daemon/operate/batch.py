"""Fetch a batch and show how far it is: a bar on a terminal, plain lines anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from daemon.pull.criteria import Criteria
from daemon.pull.fetcher import Fetcher

LINE_EVERY_S = 10.0


@dataclass
class BatchProgress:
    """How far a batch is.

    Attributes
    ----------
    total : int
        Studies to be fetched when it began.
    left : int
        ... and now; what is tried again later is left.
    stopwatch : callable
        Seconds, monotonic.
    """

    total: int
    left: int
    stopwatch: Callable[[], float] = monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.stopwatch()

    @property
    def done(self) -> int:
        """Studies that are settled."""
        return self.total - self.left

    def words(self) -> str:
        """Return the figures as one line."""
        minutes = (self.stopwatch() - self._began) / 60
        pace = f", {self.done / minutes:.1f} a minute" if self.done and minutes else ""
        return f"{self.done} of {self.total} studies{pace}, {self.left} left"


def fetch_all(
    fetcher: Fetcher, criteria: Criteria, interval_s: float, stream: TextIO | None = None
) -> None:
    """Fetch all that is noted; see `Fetcher.batch`. Progress goes to a stream, standard error."""
    left = fetcher.pulls.left(fetcher.source)
    pace = BatchProgress(left, left)
    with _shown(pace, stream or sys.stderr) as show:

        def progress() -> None:
            pace.left = fetcher.pulls.left(fetcher.source)
            show()

        fetcher.batch(criteria, interval_s, Event().wait, progress)


@contextmanager
def _shown(pace: BatchProgress, stream: TextIO) -> Iterator[Callable[[], None]]:
    """Give what shows the pace when it has changed."""
    if not stream.isatty():
        yield from _lines(pace, stream)
        return
    bar = Progress(BarColumn(), TextColumn("{task.description}"), console=Console(file=stream))
    with bar:
        task = bar.add_task(pace.words(), total=pace.total)
        yield lambda: bar.update(task, completed=pace.done, description=pace.words())


def _lines(pace: BatchProgress, stream: TextIO) -> Iterator[Callable[[], None]]:
    """Write a line now and then, and one at the end."""
    said_at = monotonic()

    def show() -> None:
        nonlocal said_at
        if monotonic() - said_at >= LINE_EVERY_S:
            said_at = monotonic()
            print(pace.words(), file=stream)

    yield show
    print(pace.words(), file=stream)
