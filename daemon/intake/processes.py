"""Several receiver processes on one port: started, watched and stopped by the daemon.

A child (`daemon.receiving`) gets the settings as one line of JSON on its standard input, receives
from the inherited listening socket, and stops when that input ends: it never outlives the daemon.
One that dies is replaced.
"""

import json
import logging
import os
import socket
import subprocess
import sys
from threading import Event, Thread

from daemon.settings import Place, Settings

logger = logging.getLogger(__name__)

PROGRAM = "daemon.receiving"
STOP_WITHIN_S = 7.0
RESTART_AFTER_S = 1.0
_SMALL = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
"""Memory arenas for each thread, and threads for numpy, would only take memory."""


class ReceiverProcesses:
    """The children of one daemon."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self._count = settings.receiver.processes
        self._task = json.dumps(
            {"settings": settings.model_dump(mode="json"), "root": str(place.root)}
        )
        self._stopping = Event()
        self._watchers: list[Thread] = []
        self._children: dict[int, subprocess.Popen[str]] = {}

    def start(self, listening: socket.socket) -> None:
        """Start the children and keep them running."""
        self._watchers = [
            Thread(target=self._keep_running, args=(number, listening), daemon=True)
            for number in range(self._count)
        ]
        for watcher in self._watchers:
            watcher.start()

    def stop(self) -> None:
        """End the children; each finishes what it has in hand."""
        self._stopping.set()
        for child in list(self._children.values()):
            if child.stdin is not None:
                child.stdin.close()
        for watcher in self._watchers:
            watcher.join()

    def _keep_running(self, number: int, listening: socket.socket) -> None:
        while not self._stopping.is_set():
            child = self._start(number, listening)
            self._children[number] = child
            code = self._watch(child)
            if not self._stopping.is_set():
                logger.error("receiver process %d ended with %s; starting another", number, code)
                self._stopping.wait(RESTART_AFTER_S)

    def _start(self, number: int, listening: socket.socket) -> subprocess.Popen[str]:
        descriptor = listening.fileno()
        child = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, str(descriptor), str(number)],
            stdin=subprocess.PIPE,
            pass_fds=[descriptor],
            env={**os.environ, **_SMALL},
            text=True,
        )
        if child.stdin is not None:
            child.stdin.write(self._task + "\n")
            child.stdin.flush()
        return child

    def _watch(self, child: subprocess.Popen[str]) -> int:
        """Wait for the end of a child; once it has been asked to stop, not for ever."""
        while not self._stopping.is_set():
            try:
                return child.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        if child.stdin is not None and not child.stdin.closed:
            child.stdin.close()
        try:
            return child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            logger.warning("a receiver process does not stop and is killed")
            child.kill()
            return child.wait()
