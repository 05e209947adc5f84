"""What an export does now, for the person who waits: a line for each step, a bar where it counts.

On a terminal the bar shows how many pictures of how many are done, and goes when the step ends;
elsewhere there are only the lines. All of it goes to the standard error output.
"""

from collections.abc import Callable
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_Answer = TypeVar("_Answer")
_Asked = Callable[[NDArray[np.float32], NDArray[np.int64]], _Answer]


class Steps:
    """Says each step; a context, at whose end no bar is left.

    Parameters
    ----------
    quiet : bool
        Say nothing.
    console : Console, optional
        Where to; by default the standard error output.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._quiet = quiet
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            refresh_per_second=2,  # the processors have better things to do
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Say which step begins; the bar of the one before goes."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        if not self._quiet:
            self._console.print(line, soft_wrap=True, markup=False, highlight=False)

    def counted(self, answer: _Asked[_Answer], line: str, total: int) -> _Asked[_Answer]:
        """Return what answers pictures so that its first call begins a step, and each one counts.

        Parameters
        ----------
        answer : callable
            Takes images [n, 3, size, size] and targets [n].
        line : str
        total : int
            Pictures of all calls together.
        """
        begun = False

        def run(image: NDArray[np.float32], target: NDArray[np.int64]) -> _Answer:
            nonlocal begun
            if not begun:
                begun = True
                self.say(line)
                self._task = self._progress.add_task("pictures", total=total)
            given = answer(image, target)
            if self._task is not None:
                self._progress.advance(self._task, len(image))
            return given

        return run


SILENT = Steps(quiet=True)
"""Of a caller who wants to hear nothing."""
