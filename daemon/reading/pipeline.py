"""Several studies at once: some are decoded, some read, some reported, and the device is kept busy.

::

    claim -> opening (a thread and a decoder each) -> inferring (one) -> reporting (one)

The ledger knows nothing of it: each job is claimed once, by one worker, and settled once. At most
`studies_in_hand` jobs are held, which bounds memory and how long a claimed job may wait.

A job that failed before is done alone: should it take the process down again, no other job that
happened to be in hand is charged with an attempt.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

from daemon.guarded import guarded
from daemon.reading.opened import OpenStudy
from daemon.reading.worker import Worker
from daemon.records import Job, StudyReading

Item = TypeVar("Item")

_POLL_S = 0.2
_STOP_WITHIN_S = 6.0


@dataclass(eq=False)
class Pipeline:
    """The threads around one worker.

    Attributes
    ----------
    worker : Worker
    openers : int
        Threads that decode and prepare.
    batch_size : callable
        Images that make a batch; it may shrink while the daemon runs.
    """

    worker: Worker
    openers: int
    batch_size: Callable[[], int]
    _claimed: SimpleQueue[Job] = field(default_factory=SimpleQueue, init=False)
    _opened: SimpleQueue[OpenStudy] = field(default_factory=SimpleQueue, init=False)
    _read: SimpleQueue[tuple[Job, StudyReading]] = field(default_factory=SimpleQueue, init=False)
    _stop: Event = field(default_factory=Event, init=False)
    _room: Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._room = Semaphore(self.worker.settings.studies_in_hand)

    def run(self, stop: Event, idle_s: float = 0.5) -> None:
        """Work until `stop` is set; what is not being worked on then goes back to the queue."""
        self._stop = stop
        steps = [self._open] * self.openers + [self._infer, self._report]
        threads = [Thread(target=step, name="reading", daemon=True) for step in steps]
        for thread in threads:  # daemons: a decoder that hangs must not keep the process
            thread.start()
        while not stop.is_set():
            if not self._guarded(self._claim):
                stop.wait(idle_s)
        for thread in threads:
            thread.join(timeout=_STOP_WITHIN_S / len(threads))
        self._give_back()

    def _claim(self) -> bool:
        """Take a job into hand when there is room, and say whether there may be more."""
        if not self._room.acquire(timeout=_POLL_S):
            return True
        job = None
        try:
            job = self.worker.claim()
        finally:
            if job is None:
                self._room.release()
        if job is None:
            return False
        if job.attempt > 1:
            self._alone(job)
        else:
            self._claimed.put(job)
        return True

    def _alone(self, job: Job) -> None:
        """Do a job when no other is in hand."""
        got = 1
        while got < self.worker.settings.studies_in_hand:
            got += self._room.acquire(timeout=_POLL_S)
            if self._stop.is_set():
                self._claimed.put(job)  # given back with the rest
                return
        self._guarded(lambda: self.worker.do(job))
        self._room.release(got)

    def _open(self) -> None:
        for job in self._items(self._claimed):
            opened = self._guarded(partial(self.worker.open, job))
            if isinstance(opened, OpenStudy):
                self._opened.put(opened)
            elif opened is not None:
                self._read.put((job, opened))
            else:
                self._room.release()

    def _infer(self) -> None:
        for first in self._items(self._opened):
            studies = [first, *self._companions(len(first.ready))]
            done = self._guarded(partial(self.worker.infer, studies)) or []
            readings = [(job, reading) for job, reading in done if reading is not None]
            for job, reading in readings:
                self._read.put((job, reading))
            for _ in studies[len(readings) :]:
                self._room.release()

    def _companions(self, images: int) -> Iterator[OpenStudy]:
        """Give further studies until a batch is full; wait a moment for each."""
        while images < self.batch_size():
            try:
                study = self._opened.get(timeout=self.worker.settings.batch_wait_s)
            except Empty:
                return
            images += len(study.ready)
            yield study

    def _report(self) -> None:
        for job, reading in self._items(self._read):
            self._guarded(partial(self.worker.settle, job, reading))
            self._room.release()

    def _items(self, source: "SimpleQueue[Item]") -> Iterator[Item]:
        """Give what comes, until the stop."""
        while not self._stop.is_set():
            try:
                yield source.get(timeout=_POLL_S)
            except Empty:
                continue

    def _guarded(self, step: "Callable[[], Item]") -> "Item | None":
        """Do a step; what it leaves undone, the next claim or the job's lease will mend."""
        return guarded("reading", step, partial(self._stop.wait, _POLL_S))

    def _give_back(self) -> None:
        """Queue again what was claimed and is not being worked on."""
        jobs = list(_left(self._claimed))
        jobs += [study.job for study in _left(self._opened)]
        jobs += [job for job, _ in _left(self._read)]
        for job in jobs:
            self._guarded(partial(self.worker.give_back, job))


def _left(source: "SimpleQueue[Item]") -> Iterator[Item]:
    while True:
        try:
            yield source.get_nowait()
        except Empty:
            return
