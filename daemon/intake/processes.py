"""Several receiver processes on one port: started, watched, asked and stopped by the daemon.

A child (`daemon.receiving`) gets the settings as one line of JSON on its standard input, receives
from the inherited listening socket, and stops when that input ends: it never outlives the daemon.
One that dies is replaced. Each further line is a question, a number: which studies are being sent?
The child answers on its standard output with one line of JSON, number and Study Instance UIDs.
"""

import json
import logging
import os
import select
import socket
import subprocess
import sys
from collections.abc import Collection
from threading import Event, Lock, Thread
from time import monotonic

from daemon.settings import Place, Settings

logger = logging.getLogger(__name__)

PROGRAM = "daemon.receiving"
STOP_WITHIN_S = 7.0
RESTART_AFTER_S = 1.0
ANSWER_WITHIN_S = 0.5
"""A child that takes longer to say what it is being sent counts as being sent nothing."""
_SMALL = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
"""Memory arenas for each thread, and threads for numpy, would only take memory."""
_MOST_BYTES = 1 << 16


def answer(question: str, studies: Collection[str]) -> str:
    """Return a child's line in answer to one of the daemon's."""
    return json.dumps([int(question), sorted(studies)])


class Child:
    """One receiver process; `ask` it, then hear its `answer`."""

    def __init__(self, number: int, listening: socket.socket, task: str) -> None:
        self.number = number
        descriptor = listening.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, str(descriptor), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[descriptor],
            env={**os.environ, **_SMALL},
            bufsize=0,
        )
        self._asked = 0
        self._is_asked = False
        self._said = b""
        self._is_silent: bool | None = None
        self._write(f"{task}\n")

    def ask(self) -> None:
        """Ask which studies it is being sent, unless it still owes the answer of before."""
        while self._hears(monotonic()):
            pass
        self._answered()  # too late, and out of date
        if not self._is_asked:
            self._asked += 1
            self._is_asked = self._write(f"{self._asked}\n")

    def answer(self, end: float) -> set[str]:
        """Return what it says until `end` (monotonic seconds); nothing when it says nothing."""
        while (studies := self._answered()) is None and self._hears(end):
            pass
        self._note(is_silent=studies is None)
        return studies or set()

    def _note(self, *, is_silent: bool) -> None:
        """Say it when the child falls silent or speaks again; one that has just begun may be."""
        if self._is_silent is None:
            self._is_silent = None if is_silent else False
        elif self._is_silent is not is_silent:
            self._is_silent = is_silent
            words = "does not say" if is_silent else "says again"
            logger.warning("receiver process %d %s what it is being sent", self.number, words)

    def close(self) -> None:
        """Let it end: it finishes what it has in hand."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def forget(self) -> None:
        """Close both pipes: it has ended, asked to or not."""
        self.close()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _write(self, line: str) -> bool:
        """Write a line; False when the child has ended, which its watcher notices."""
        try:
            if self.process.stdin is not None:
                self.process.stdin.write(line.encode())
        except (OSError, ValueError):  # it has ended, or its input was closed
            return False
        return True

    def _hears(self, end: float) -> bool:
        """Read some more of what it says; False when there is no more in time."""
        output = self.process.stdout
        if output is None or not self._is_asked:
            return False
        if not select.select([output], [], [], max(0.0, end - monotonic()))[0]:
            return False
        said = os.read(output.fileno(), _MOST_BYTES)
        self._said += said
        return bool(said)

    def _answered(self) -> set[str] | None:
        """Return the answer to the question asked last, if it is there."""
        line, ended, rest = self._said.partition(b"\n")
        if not ended:
            return None
        self._said, self._is_asked = rest, False
        return set(json.loads(line)[1])


class ReceiverProcesses:
    """The children of one daemon."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self._count = settings.receiver.processes
        self._task = json.dumps(
            {"settings": settings.model_dump(mode="json"), "root": str(place.root)}
        )
        self._stopping = Event()
        self._watchers: list[Thread] = []
        self._children: dict[int, Child] = {}
        self._asking = Lock()

    def start(self, listening: socket.socket) -> None:
        """Start the children and keep them running."""
        self._watchers = [
            Thread(target=self._keep_running, args=(number, listening), daemon=True)
            for number in range(self._count)
        ]
        for watcher in self._watchers:
            watcher.start()

    def being_sent(self) -> set[str]:
        """Return the Study Instance UIDs of the studies that the children are being sent.

        A child that does not answer in time, because it has stopped or died, counts for nothing.
        """
        with self._asking:
            children = list(self._children.values())
            for child in children:
                child.ask()
            end = monotonic() + ANSWER_WITHIN_S
            return set().union(*(child.answer(end) for child in children))

    def stop(self) -> None:
        """End the children; each finishes what it has in hand."""
        self._stopping.set()
        for child in list(self._children.values()):
            child.close()
        for watcher in self._watchers:
            watcher.join()

    def _keep_running(self, number: int, listening: socket.socket) -> None:
        while not self._stopping.is_set():
            child = Child(number, listening, self._task)
            self._children[number] = child
            code = self._watch(child)
            with self._asking:
                del self._children[number]
                child.forget()
            if not self._stopping.is_set():
                logger.error("receiver process %d ended with %s; starting another", number, code)
                self._stopping.wait(RESTART_AFTER_S)

    def _watch(self, child: Child) -> int:
        """Wait for the end of a child; once it has been asked to stop, not for ever."""
        while not self._stopping.is_set():
            try:
                return child.process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        child.close()
        try:
            return child.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            logger.warning("a receiver process does not stop and is killed")
            child.process.kill()
            return child.process.wait()
