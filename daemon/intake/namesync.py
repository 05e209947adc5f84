"""Make the names in a folder durable, once for all who ask meanwhile, beside their own work."""

import os
from concurrent.futures import Future
from pathlib import Path
from threading import Condition, Thread


class NameSync:
    """Syncs one folder in a thread of its own; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._change = Condition()
        self._next: Future[None] = Future()
        self._is_asked = False
        self._is_closed = False
        self._thread = Thread(target=self._run, name="namesync", daemon=True)
        self._thread.start()

    def ask(self) -> "Future[None]":
        """Ask for a sync that begins from now on; the result comes when it is done, or OSError."""
        with self._change:
            if not self._is_asked:
                self._is_asked = True
                self._change.notify()
            return self._next

    def close(self) -> None:
        """Finish what was asked and end."""
        with self._change:
            self._is_closed = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._is_asked or self._is_closed)
                if not self._is_asked:
                    return
                asked, self._next, self._is_asked = self._next, Future(), False
            try:
                sync_folder(self._folder)
            except OSError as error:
                asked.set_exception(error)
            else:
                asked.set_result(None)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
