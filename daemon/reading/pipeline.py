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
from time import monotonic
from typing import TypeVar

from daemon.guarded import guarded
from daemon.reading.opened import OpenStudy
from daemon.reading.worker import Worker
from daemon.records import Job, StudyReading
from daemon.wake import Bell

Item = TypeVar("Item")

LOOK_AGAIN_S = 3.0
"""What nobody rings for is found after so long: a job that was put off, or of another process."""
_AFTER_FAILURE_S = 0.2
_GLANCE_S = 0.005
"""Whoever was coming may turn out to be nobody: so often that is asked while a batch forms."""
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
    look_again_s : float
        After so long a rest it looks for jobs that nobody has rung for.
    bell : Bell
        Rung when a job was queued, when a study leaves the hand, and after the stop.
    """

    worker: Worker
    openers: int
    batch_size: Callable[[], int]
    look_again_s: float = LOOK_AGAIN_S
    bell: Bell = field(default_factory=Bell)
    _claimed: SimpleQueue[Job | None] = field(default_factory=SimpleQueue, init=False)
    _opened: SimpleQueue[OpenStudy | None] = field(default_factory=SimpleQueue, init=False)
    _read: SimpleQueue[tuple[Job, StudyReading] | None] = field(
        default_factory=SimpleQueue, init=False
    )
    _stop: Event = field(default_factory=Event, init=False)
    _room: Semaphore = field(init=False)
    _coming: set[int | None] = field(default_factory=set, init=False)
    """Jobs that are claimed and not opened yet; None is the one being claimed."""

    def __post_init__(self) -> None:
        self._room = Semaphore(self.worker.settings.studies_in_hand)

    def run(self, stop: Event) -> None:
        """Work until `stop` is set and the bell rung; what is not being worked on goes back."""
        self._stop = stop
        steps = [self._open] * self.openers + [self._infer, self._report]
        threads = [Thread(target=step, name="reading", daemon=True) for step in steps]
        for thread in threads:  # daemons: a decoder that hangs must not keep the process
            thread.start()
        while not stop.is_set():
            if not self._claim():
                self.bell.wait(self.look_again_s)
        for _ in range(self.openers):
            self._claimed.put(None)
        self._opened.put(None)
        self._read.put(None)
        for thread in threads:
            thread.join(timeout=_STOP_WITHIN_S / len(threads))
        self._give_back()

    def _claim(self) -> bool:
        """Take a job into hand when there is room, and say whether there may be more."""
        if not self._room.acquire(blocking=False):
            return False
        job = self._next()
        if job is None:
            self._room.release()
            return False
        if job.attempt > 1:
            self._alone(job)
        else:
            self._claimed.put(job)
        return True

    def _next(self) -> Job | None:
        """Claim a job, if there is one; from the claim on it is known to be coming."""
        self._coming.add(None)
        try:
            job = self._guarded(self.worker.claim)
            if job is not None and job.attempt == 1:
                self._coming.add(job.job_id)
            return job
        finally:
            self._coming.discard(None)

    def _alone(self, job: Job) -> None:
        """Do a job when no other is in hand."""
        got = 1
        while got < self.worker.settings.studies_in_hand:
            if self._stop.is_set():
                self._claimed.put(job)  # given back with the rest
                return
            if self._room.acquire(blocking=False):
                got += 1
            else:
                self.bell.wait(self.look_again_s)
        self._guarded(lambda: self.worker.do(job))
        self._room.release(got)

    def _leave(self, studies: int = 1) -> None:
        """Let studies go out of hand."""
        self._room.release(studies)
        self.bell.ring()

    def _open(self) -> None:
        for job in self._items(self._claimed):
            opened = self._guarded(partial(self.worker.open, job))
            self._coming.discard(job.job_id)
            if isinstance(opened, OpenStudy):
                self._opened.put(opened)
            elif opened is not None:
                self._read.put((job, opened))
            else:
                self._leave()

    def _infer(self) -> None:
        for first in self._items(self._opened):
            studies = [first, *self._companions(len(first.ready))]
            done = self._guarded(partial(self.worker.infer, studies)) or []
            readings = [(job, reading) for job, reading in done if reading is not None]
            for job, reading in readings:
                self._read.put((job, reading))
            if lost := len(studies) - len(readings):
                self._leave(lost)

    def _companions(self, images: int) -> Iterator[OpenStudy]:
        """Give further studies until a batch is full; while one is coming, wait a moment for it."""
        until = monotonic() + self.worker.settings.batch_wait_s
        while images < self.batch_size():
            try:
                study = self._opened.get(timeout=_GLANCE_S if self._coming else 0.0)
            except Empty:
                if self._coming and monotonic() < until:
                    continue
                return
            if study is None:  # the stop, which is for `_items`
                self._opened.put(None)
                return
            images += len(study.ready)
            yield study

    def _report(self) -> None:
        for job, reading in self._items(self._read):
            self._guarded(partial(self.worker.settle, job, reading))
            self._leave()

    def _items(self, source: "SimpleQueue[Item | None]") -> Iterator[Item]:
        """Give what comes, until the stop: then there is a None for each thread."""
        while (item := source.get()) is not None:
            if self._stop.is_set():
                source.put(item)  # given back with the rest
                return
            yield item

    def _guarded(self, step: "Callable[[], Item]") -> "Item | None":
        """Do a step; what it leaves undone, the next claim or the job's lease will mend."""
        return guarded("reading", step, partial(self._stop.wait, _AFTER_FAILURE_S))

    def _give_back(self) -> None:
        """Queue again what was claimed and is not being worked on."""
        jobs = list(_left(self._claimed))
        jobs += [study.job for study in _left(self._opened)]
        jobs += [job for job, _ in _left(self._read)]
        for job in jobs:
            self._guarded(partial(self.worker.give_back, job))


def _left(source: "SimpleQueue[Item | None]") -> Iterator[Item]:
    while True:
        try:
            item = source.get_nowait()
        except Empty:
            return
        if item is not None:
            yield item
