"""Do clients that say nothing slow down those that do? TLS, 16 honest senders, a crowd beside.

    python -m tests.benchmarks.stalled [--stalled N] [--idle N] [--seconds S] [--rounds R]
        [--again-s S]

Honest senders store over associations of 20 objects each, without and with a crowd in turn: clients
that connect and begin a TLS handshake that they never end, and clients that connect and say nothing
at all; they come one after the other, evenly over the time, and with --again-s those that were cut
come again so many seconds later. Receiver, senders and crowd are processes of their own. Prints one
JSON object; exits with 1 when a goal is missed.
"""

import argparse
import heapq
import json
import math
import multiprocessing
import multiprocessing.queues
import os
import random
import resource
import selectors
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import UID

from tests.benchmarks.blast import Item, Peer, associate_rq, store_pdus
from tests.benchmarks.receivers import Measured, wristd
from tests.support.certificates import authority, signed
from tests.support.objects import dx
from tests.support.processes import status
from tests.support.receiving import raw

STARTED_WITHIN_S = 5.0
"""For both processes to import what they need."""
STALLED, IDLE, SENDERS = 2500, 300, 16
SECONDS, ROUNDS = 20.0, 3
LEAST_RATIO = 0.9
_PER_ASSOCIATION = 20
_CHANGED = "1234567890"
_SHAPE = (400, 256)
"""A film of some 205 kB."""
_HELLO = bytes.fromhex("160301020001")
"""The first bytes of a TLS handshake: a ClientHello of 512 bytes is to follow (RFC 8446 5.1)."""
_DESCRIPTORS = 8192


class SecurePeer(Peer):
    """Sends and reads under TLS."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port)
        self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")


def send_honestly(port: int, papers: dict[str, str], go: Event, stop: Event, done: Any) -> None:
    """Store new films from several threads between `go` and `stop`; put (stored, failed)."""
    context = ssl.create_default_context(cafile=papers["authority"])
    context.load_cert_chain(papers["certificate"], papers["key"])
    item = _film()
    request = associate_rq("WRISTD", {(item.sop_class, item.syntax): 1}, "MODALITY")
    prepared = store_pdus(item, 1, 131072)
    stored, failed = [0] * SENDERS, [0] * SENDERS

    def work(number: int) -> None:
        count = 0
        go.wait()
        while not stop.is_set():
            try:
                peer = SecurePeer(port, context)
                if peer.associate(request) != 2:
                    raise ConnectionError("no association")
                for _ in range(_PER_ASSOCIATION):
                    count += 1
                    name = f"{(os.getpid() % 10000) * 10**6 + number * 10**4 + count:010d}"
                    peer.send(prepared.replace(_CHANGED.encode(), name.encode()))
                    stored[number] += peer.status() == 0x0000
                peer.release()
            except (OSError, ValueError):
                failed[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.put((sum(stored), sum(failed)))


@dataclass(frozen=True)
class Crowd:
    """How many clients say too little, over which time they come, and when those cut come again."""

    stalled: int
    idle: int
    over_s: float
    again_s: float

    def plan(self) -> list[tuple[float, bytes]]:
        """Return when each comes, seconds, and what it says."""
        words = [_HELLO] * self.stalled + [b""] * self.idle
        random.Random(1).shuffle(words)
        return [(self.over_s * number / len(words), one) for number, one in enumerate(words)]


NOBODY = Crowd(0, 0, 1.0, math.inf)


def crowd(port: int, who: Crowd, go: Event, stop: Event, done: Any) -> None:
    """Hold connections that say too little until `stop`; put how many were opened, CPU seconds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _DESCRIPTORS)), hard))
    selector, opened = selectors.DefaultSelector(), 0
    go.wait()
    began, cpu = time.monotonic(), time.process_time()
    due = who.plan()  # in the order of time, as a heap is
    while not stop.is_set():
        while due and due[0][0] <= time.monotonic() - began and not stop.is_set():
            words = heapq.heappop(due)[1]
            with suppress(OSError):
                one = socket.create_connection(("127.0.0.1", port), 5.0, ("127.0.0.2", 0))
                one.sendall(words)
                selector.register(one, selectors.EVENT_READ, words)
                opened += 1
        for key, _events in selector.select(0.05):
            with suppress(OSError):
                if key.fileobj.recv(100):  # type: ignore[union-attr]
                    continue
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
            heapq.heappush(due, (time.monotonic() - began + who.again_s, key.data))
    done.put((opened, time.process_time() - cpu))


def _film() -> Item:
    film = dx(np.arange(_SHAPE[0] * _SHAPE[1], dtype=np.uint16).reshape(_SHAPE))
    film.SOPInstanceUID = UID(f"1.2.826.0.1.3680043.10.999.1.{_CHANGED}")
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    offer = raw(film)
    return Item(
        offer.sop_class_uid, str(offer.transfer_syntax), offer.sop_instance_uid, offer.data_set
    )


def measure(
    receiver: Measured, papers: dict[str, str], seconds: float, who: Crowd
) -> dict[str, Any]:
    """Let honest senders store for a while, beside a crowd."""
    spawn = multiprocessing.get_context("spawn")
    go, stop, done, opened = spawn.Event(), spawn.Event(), spawn.Queue(), spawn.Queue()
    sender = spawn.Process(target=send_honestly, args=(receiver.port, papers, go, stop, done))
    beside = spawn.Process(target=crowd, args=(receiver.port, who, go, stop, opened))
    sender.start()
    beside.start()
    threading.Event().wait(STARTED_WITHIN_S)
    began = time.monotonic()
    go.set()
    threads = descriptors = 0
    pause = threading.Event()
    while time.monotonic() - began < seconds:
        pause.wait(0.5)
        threads = max(threads, status(receiver.pid, "Threads"))
        descriptors = max(descriptors, len(os.listdir(f"/proc/{receiver.pid}/fd")))  # noqa: PTH208
    stop.set()
    stored, failed = done.get()
    took = time.monotonic() - began
    connections, crowd_cpu_s = opened.get()
    for process in (sender, beside):
        process.join()
    return {
        "a_second": round(stored / took, 1),
        "failed": failed,
        "connections": connections,
        "crowd_cpu_s": round(crowd_cpu_s, 2),
        "threads": threads,
        "descriptors": descriptors,
    }


def compare(folder: Path, who: Crowd, seconds: float, rounds: int) -> dict[str, Any]:
    """Measure in turn without and with the crowd."""
    ours = authority(folder)
    node, modality = signed(folder, "node", ours), signed(folder, "modality", ours)
    papers = {
        "authority": str(ours), "certificate": str(modality[0]), "key": str(modality[1]),
    }  # fmt: skip
    tls = {
        "tls_certificate": str(node[0]), "tls_key": str(node[1]), "tls_authority": str(ours),
    }  # fmt: skip
    found: dict[str, Any] = {"without": [], "with": []}
    with wristd(folder, 1, **tls) as receiver:
        measure(receiver, papers, seconds / 4, NOBODY)  # opens what stays open
        for _ in range(rounds):
            found["without"].append(measure(receiver, papers, seconds, NOBODY))
            found["with"].append(measure(receiver, papers, seconds, who))
    ratios = [
        one["a_second"] / other["a_second"]
        for one, other in zip(found["with"], found["without"], strict=True)
    ]
    failed = sum(one["failed"] for one in found["with"])
    return {
        "crowd": asdict(who),
        **found,
        "ratio": round(statistics.median(ratios), 3),
        "goals_met": statistics.median(ratios) >= LEAST_RATIO and not failed,
    }


def main() -> None:
    """Run once; exit with 1 when the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--stalled", type=int, default=STALLED)
    parser.add_argument("--idle", type=int, default=IDLE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--again-s", type=float, default=math.inf)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        who = Crowd(options.stalled, options.idle, options.seconds, options.again_s)
        found = compare(Path(name), who, options.seconds, options.rounds)
    print(json.dumps(found))
    sys.exit(0 if found["goals_met"] else 1)


if __name__ == "__main__":
    main()
