"""Studies with faults from several senders at once, and honest ones in between."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.benchmarks.blast import Item, Peer, associate_rq, store_pdus
from tests.support.encodings import LOSSLESS_SYNTAXES
from tests.support.node import Node
from tests.support.objects import uid
from tests.support.recordings import Recorded, mutated

SENDERS = 4
HONEST_EVERY_S = 3.0
_IMAGES = (1, 1, 1, 1, 1, 2, 2, 3, 6, 20)
_REAL, _AGAIN = 0.1, 0.02
"""Shares: of objects that come from real files, and of those that come again, changed."""
_ACCEPTED, _SUCCESS = 2, 0
_AT_ONCE = 1 << 20


@dataclass
class Traffic:
    """What is sent to a node, and what it answered."""

    node: Node
    drawn: Sequence[Recorded]
    real: Sequence[Recorded]
    seed: int
    objects: int
    sent: int = 0
    acknowledged: set[str] = field(default_factory=set)
    """SOP Instance UIDs that were answered with Success."""
    refused: Counter[str] = field(default_factory=Counter)
    honest: list[str] = field(default_factory=list)
    """Study Instance UIDs of the honest studies that were acknowledged."""
    silent: int = 0
    """Objects for which no answer came, or no connection."""

    def __post_init__(self) -> None:
        classes = {one.sop_class for one in (*self.drawn, *self.real)}
        syntaxes = {str(one.syntax) for one in self.real} | set(map(str, LOSSLESS_SYNTAXES))
        kinds = sorted((one, syntax) for one in classes for syntax in syntaxes)
        self._contexts = {kind: 2 * number + 1 for number, kind in enumerate(kinds)}
        self._request = associate_rq(self.node.ae_title, self._contexts)
        self._known: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._room = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    @property
    def is_over(self) -> bool:
        """Whether everything was sent."""
        return not any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Begin to send."""
        works = [(self._send_odd, number) for number in range(SENDERS)] + [(self._send_honest, -1)]
        for work, number in works:
            thread = threading.Thread(target=work, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Send no more; returns when the last answer is there."""
        self._stop.set()
        self.make_room(SENDERS)
        for thread in self._threads:
            thread.join()

    def make_room(self, studies: int) -> None:
        """Let the odd senders begin so many studies, and no more: the node's backlog decides."""
        while self._room.acquire(blocking=False):
            continue
        if studies > 0:
            self._room.release(studies)

    def _send_odd(self, sender: int) -> None:
        chance, number = Random(f"{self.seed}/{sender}"), 0
        while self._room.acquire() and not self._stop.is_set():
            number += 1
            study = uid("fuzz", self.seed, sender, number)
            items = [self._odd(study, index, chance) for index in range(chance.choice(_IMAGES))]
            with self._lock:
                self.sent += len(items)
                if self.sent >= self.objects:
                    self._stop.set()
                    self._room.release(SENDERS)
            self._send(items)

    def _odd(self, study_uid: str, index: int, chance: Random) -> Item:
        pool = self.real if self.real and chance.random() < _REAL else self.drawn
        names = study_uid, uid("instance", study_uid, index)
        with self._lock:
            if self._known and chance.random() < _AGAIN:
                names = chance.choice(self._known)
            self._known.append(names)
        return mutated(chance.choice(pool), *names, chance)

    def _send_honest(self, _number: int) -> None:
        number = 0
        while not self._stop.wait(HONEST_EVERY_S):
            number += 1
            study = uid("honest", self.seed, number)
            item = self.drawn[number % len(self.drawn)].item(study, uid("instance", study))
            if self._send([item]) == 1:
                self.honest.append(study)

    def _send(self, items: Sequence[Item]) -> int:
        """Send objects over one association, or more should it end; return how many were taken."""
        left, taken = list(items), 0
        while left:
            peer = None
            try:
                peer = Peer(self.node.port)
                if peer.associate(self._request) != _ACCEPTED:
                    raise ConnectionError("no association")
                while left:
                    taken += self._store(peer, left.pop())
                peer.release()
            except (OSError, ValueError):  # no answer, or another one than to C-STORE
                with self._lock:
                    self.silent += 1
                if peer is None:
                    return taken
        return taken

    def _store(self, peer: Peer, item: Item) -> bool:
        context = self._contexts[item.sop_class, item.syntax]
        peer.send(store_pdus(item, context, min(peer.max_pdu, _AT_ONCE)))
        status = peer.status()
        with self._lock:
            if status == _SUCCESS:
                self.acknowledged.add(item.instance)
            else:
                self.refused[f"{status:04X}"] += 1
        return status == _SUCCESS
