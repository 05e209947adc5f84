"""What disk and processor allow: the system calls of a durable receive, nothing around them.

    python -m tests.benchmarks.floor [--folder FOLDER] [--objects 300]
    python -m tests.benchmarks.floor --listen PORT --folder FOLDER

One object of 210 kB after the other: file written and synced, named, folder synced, row committed
(SQLite, WAL, synchronous=FULL). Then what hashing 6.3 MB costs in pieces of a PDU.

With --listen it does the same for what `tests.benchmarks.blast` sends, so that `ingest` measures it
beside real receivers: PDUs are read and written to the file; the sync of the folder and the commit
are shared by all associations that wait for them (group commit; a group of one where there is one
sender). Nothing is understood, hashed or checked: it stores whatever comes, and is no receiver.
"""

import argparse
import hashlib
import os
import socket
import sqlite3
import statistics
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from blake3 import blake3
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from rich.console import Console
from rich.table import Table

from daemon.intake.association.pdu import HEADER, IS_COMMAND, IS_LAST, PDV_HEADER
from tests.benchmarks.blast import data_pdu, element, pdv

SMALL, LARGE, PDU = 210_000, 6_300_000, 131_066
REPEATS = 9
INSERT, ABOUT = "INSERT INTO instance VALUES (?, ?)", "x" * 300
"""A row, and about as much as is known of an image."""
DATA = 4
RELEASED = bytes.fromhex("06000000000400000000")
_STATUS = element(0x0100, b"\x01\x80") + element(0x0900, b"\0\0")
SUCCESS = data_pdu(
    pdv(1, IS_COMMAND | IS_LAST, element(0, struct.pack("<L", len(_STATUS))) + _STATUS)
)
"""As much of a C-STORE response as the sender reads."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--listen", type=int, help="port")
    options = parser.parse_args()
    if options.listen:
        Bare(options.folder).serve(options.listen)
    table = Table("step", "median ms")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        steps, cpu_ms = _objects(Path(name), options.objects)
    for step, times in steps.items():
        table.add_row(step, f"{statistics.median(times) * 1e3:.3f}")
    total = statistics.median(map(sum, zip(*steps.values(), strict=True)))
    table.add_row("an object", f"{total * 1e3:.3f} ({1 / total:.0f} a second)")
    table.add_row("CPU time of an object", f"{cpu_ms:.3f}")
    table.add_row("SHA-256 of 6.3 MB", f"{_hashing_ms(hashlib.sha256):.2f}")
    table.add_row("BLAKE3 of 6.3 MB", f"{_hashing_ms(blake3):.2f}")
    Console().print(table)


def _objects(folder: Path, number: int) -> tuple[dict[str, list[float]], float]:
    content = os.urandom(SMALL)
    ledger = _ledger(folder)
    names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    steps: dict[str, list[float]] = {}
    begun = time.process_time()
    for place in range(number):
        part, file = folder / f"{place}.part", folder / f"{place}.dcm"
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        actions: dict[str, Callable[[], object]] = {
            "write": lambda descriptor=descriptor: os.write(descriptor, content),
            "name": lambda part=part, file=file: os.link(part, file),
            "sync the file": lambda descriptor=descriptor: os.fsync(descriptor),
            "sync the folder": lambda: os.fsync(names),
            "commit": lambda place=place: ledger.execute(INSERT, (place, ABOUT)),
            "tidy up": lambda descriptor=descriptor, part=part: (
                os.close(descriptor),
                part.unlink(),
            ),
        }
        for step, act in actions.items():
            start = time.perf_counter()
            act()
            steps.setdefault(step, []).append(time.perf_counter() - start)
    cpu_ms = (time.process_time() - begun) / number * 1e3
    os.close(names)
    ledger.close()
    return steps, cpu_ms


def _ledger(folder: Path) -> sqlite3.Connection:
    path = folder / "ledger.sqlite"
    ledger = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for setting in ("journal_mode=WAL", "synchronous=FULL"):
        ledger.execute(f"PRAGMA {setting}")
    ledger.execute("CREATE TABLE instance (uid, about)")
    return ledger


class Bare:
    """Stores what comes, durably, and answers Success; one thread for each association."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._ledger = _ledger(folder)
        self._numbers = count()
        self._waiting: list[dict[str, object]] = []
        self._turn = threading.Lock()

    def serve(self, port: int) -> None:
        """Accept for ever; threads share a processor, as the interpreter runs one at a time."""
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        with socket.create_server(("127.0.0.1", port), backlog=64) as listening:
            while True:
                connection, _ = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._associate, args=(connection,), daemon=True).start()

    def _associate(self, connection: socket.socket) -> None:
        buffer = memoryview(bytearray(2 * PDU))
        with connection:
            kind, body = _pdu(connection, buffer)
            if not kind:
                return
            connection.sendall(_accepted(HEADER.pack(kind, len(body)) + bytes(body)))
            while self._store(connection, buffer):
                pass

    def _store(self, connection: socket.socket, buffer: memoryview) -> bool:
        """Take one C-STORE request; False at the end of the association."""
        kind, _command = _pdu(connection, buffer)
        if kind != DATA:
            if kind:
                connection.sendall(RELEASED)
            return False
        number = next(self._numbers)
        part, file = self._folder / f"{number}.part", self._folder / f"{number}.dcm"
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        is_last = False
        while not is_last:
            _, body = _pdu(connection, buffer)
            is_last = bool(body[PDV_HEADER.size - 1] & IS_LAST)
            os.write(descriptor, body[PDV_HEADER.size :])
        os.link(part, file)
        os.fsync(descriptor)
        self._commit({"uid": number})
        connection.sendall(SUCCESS)
        os.close(descriptor)
        part.unlink()
        return True

    def _commit(self, mine: dict[str, object]) -> None:
        """Sync names and commit, for all that wait at the time."""
        self._waiting.append(mine)
        with self._turn:
            if mine.get("done"):
                return
            batch, self._waiting = self._waiting, []
            os.fsync(self._names)
            self._ledger.execute("BEGIN IMMEDIATE")
            self._ledger.executemany(INSERT, [(one["uid"], ABOUT) for one in batch])
            self._ledger.execute("COMMIT")
            for one in batch:
                one["done"] = True


def _pdu(connection: socket.socket, buffer: memoryview) -> tuple[int, memoryview]:
    """Read a PDU; type 0 where the connection has ended."""
    if not _fill(connection, buffer[: HEADER.size]):
        return 0, buffer[:0]
    kind, size = HEADER.unpack(buffer[: HEADER.size])
    body = buffer[HEADER.size : HEADER.size + size]
    return (kind, body) if _fill(connection, body) else (0, buffer[:0])


def _fill(connection: socket.socket, wanted: memoryview) -> bool:
    filled = 0
    while filled < len(wanted):
        size = connection.recv_into(wanted[filled:])
        if not size:
            return False
        filled += size
    return True


def _accepted(request: bytes) -> bytes:
    """Accept every context with its first transfer syntax."""
    asked = A_ASSOCIATE_RQ()
    asked.decode(request)
    answer = asked.to_primitive()
    answer.result = 0
    contexts = answer.presentation_context_definition_list
    for context in contexts:
        context.result = 0
    answer.presentation_context_definition_results_list = contexts
    longest = MaximumLengthNotification()
    longest.maximum_length_received = PDU
    answer.user_information = [
        longest,
        *(
            one
            for one in answer.user_information
            if isinstance(one, ImplementationClassUIDNotification)
        ),
    ]
    return bytes(A_ASSOCIATE_AC(answer).encode())


def _hashing_ms(make: Callable[[], object]) -> float:
    pieces = [os.urandom(PDU)] * (LARGE // PDU)
    times = []
    for _ in range(REPEATS):
        hasher, start = make(), time.perf_counter()
        for piece in pieces:
            hasher.update(piece)  # type: ignore[attr-defined]  # both have it
        hasher.hexdigest()  # type: ignore[attr-defined]
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


if __name__ == "__main__":
    main()
