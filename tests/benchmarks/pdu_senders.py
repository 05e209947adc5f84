"""Clients of the PDU fuzz: they send mutated streams and understand what is answered.

Each is a process of its own, with several threads, so that the receiver is what is measured.
"""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from random import Random

from daemon.identity import is_own_uid
from daemon.intake.association.command import Malformed, read_command
from daemon.intake.association.pdu import HEADER, IS_COMMAND, PDV_HEADER, PduType
from daemon.intake.store.admit import ANALYSED_SOP_CLASSES
from tests.support.overheard import CHANGED, Stream
from tests.support.pdu_mutations import mutated

THREADS = 4
_REPORT_EVERY = 200
_RENAMED = 0.5
"""Share of streams whose objects get a name that was not there before."""
_STORE_ANSWER = 0x8001


@dataclass
class Sent:
    """What a client did since its last report."""

    streams: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """How streams ended: the type of the last PDU that came, or no PDU at all."""
    acknowledged: set[str] = field(default_factory=set)
    """SOP Instance UIDs of analysed classes that were answered with Success."""
    silent: int = 0
    """Streams whose connection the receiver did not end in time."""


def send_streams(
    port: int, streams: Sequence[Stream], seed: str, stop: Event, reports: "Queue[Sent]"
) -> None:
    """Send mutated streams until told to stop; the main function of a client process."""

    def work(number: int) -> None:
        chance, sent = Random(f"{seed}/{number}"), Sent()
        source = f"127.0.{1 + number}.{1 + chance.randrange(250)}"
        while not stop.is_set():
            _send(port, source, _drawn(streams, chance), sent)
            if sent.streams >= _REPORT_EVERY:
                reports.put(sent)
                sent = Sent()
        reports.put(sent)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _drawn(streams: Sequence[Stream], chance: Random) -> bytes:
    stream = chance.choice(streams)
    if chance.random() < _RENAMED:
        name = f"{chance.randrange(10**9, 10**10)}".encode()
        stream = tuple(pdu.replace(CHANGED.encode(), name) for pdu in stream)
    return mutated(stream, [list(one) for one in streams], chance)


def _send(port: int, source: str, data: bytes, sent: Sent) -> None:
    sent.streams += 1
    heard = bytearray()
    try:
        with socket.create_connection(("127.0.0.1", port), 30.0, (source, 0)) as peer:
            with suppress(ConnectionError):  # it was cut before all was sent
                peer.sendall(data)
            with suppress(OSError):
                peer.shutdown(socket.SHUT_WR)
            while piece := peer.recv(65536):
                heard += piece
    except ConnectionError:
        sent.ends["reset"] += 1
    except OSError:  # no connection, or no end of it
        sent.silent += 1
    sent.ends[_understood(heard, sent.acknowledged)] += 1


def _understood(heard: bytes | bytearray, acknowledged: set[str]) -> str:
    """Collect the answers of Success; return the type of the last PDU."""
    position, last, command = 0, "nothing", bytearray()
    while position + HEADER.size <= len(heard):
        kind, length = HEADER.unpack_from(heard, position)
        body = heard[position + HEADER.size : position + HEADER.size + length]
        position += HEADER.size + length
        last = PduType(kind).name
        if kind == PduType.DATA and len(body) > PDV_HEADER.size:
            command += body[PDV_HEADER.size :]
            if body[PDV_HEADER.size - 1] & IS_COMMAND:
                acknowledged |= _stored(bytes(command))
            command.clear()
    return last


def _stored(answer: bytes) -> set[str]:
    try:
        command = read_command(answer)
    except Malformed:
        return {"an answer that nobody can read"}
    is_success = struct.unpack("<H", command.values[0x0900]) == (0,)
    if command.field != _STORE_ANSWER or not is_success:
        return set()
    instance = command.sop_instance_uid
    is_kept = command.sop_class_uid in ANALYSED_SOP_CLASSES and not is_own_uid(instance)
    return {instance} if is_kept else set()
