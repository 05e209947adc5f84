"""A sender that costs little, so that the receiver is what is measured.

    python -m tests.benchmarks.blast PORT AE_TITLE ASSOCIATIONS PER_ASSOCIATION FILE...

Objects are read and cut into PDUs beforehand; each goes out with one call. ASSOCIATIONS run at the
same time, a thread each; PER_ASSOCIATION objects (0: all of them) go over one before the next is
opened. Prints one line of JSON.
"""

import json
import socket
import struct
import sys
import threading
import time
import weakref
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.transport import AddressInformation

from daemon.intake.association.pdu import HEADER, IS_COMMAND, IS_LAST, PDV_HEADER

_META_START = 132 + 12
RELEASE_RQ = bytes.fromhex("05000000000400000000")


@dataclass(frozen=True)
class Item:
    """One object to send."""

    sop_class: str
    syntax: str
    instance: str
    data_set: bytes

    @staticmethod
    def read(file: Path) -> "Item":
        """Read a DICOM file; its data set is not decoded."""
        meta = read_file_meta_info(file)
        start = _META_START + meta.FileMetaInformationGroupLength
        return Item(
            str(meta.MediaStorageSOPClassUID),
            str(meta.TransferSyntaxUID),
            str(meta.MediaStorageSOPInstanceUID),
            file.read_bytes()[start:],
        )


def element(number: int, value: bytes) -> bytes:
    """Encode an element of a command set."""
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", 0, number, len(value)) + value


def store_command(item: Item, message_id: int = 1) -> bytes:
    """Encode the command set of a C-STORE request."""
    body = b"".join(
        (
            element(0x0002, item.sop_class.encode()),
            element(0x0100, b"\x01\0"),
            element(0x0110, struct.pack("<H", message_id)),
            element(0x0700, b"\0\0"),
            element(0x0800, b"\x01\0"),
            element(0x1000, item.instance.encode()),
        )
    )
    return element(0x0000, struct.pack("<L", len(body))) + body


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    """Return a presentation data value."""
    return PDV_HEADER.pack(len(data) + 2, context_id, control) + data


def data_pdu(*pdvs: bytes) -> bytes:
    """Return a P-DATA-TF PDU."""
    body = b"".join(pdvs)
    return HEADER.pack(4, len(body)) + body


def store_pdus(item: Item, context_id: int, max_pdu: int) -> bytes:
    """Return a whole C-STORE request."""
    size = max_pdu - PDV_HEADER.size
    pdus = [data_pdu(pdv(context_id, IS_COMMAND | IS_LAST, store_command(item)))]
    for start in range(0, len(item.data_set), size):
        last = IS_LAST if start + size >= len(item.data_set) else 0
        pdus.append(data_pdu(pdv(context_id, last, item.data_set[start : start + size])))
    return b"".join(pdus)


def associate_rq(
    called: str, contexts: dict[tuple[str, str], int], calling: str = "BLAST"
) -> bytes:
    """Return an A-ASSOCIATE-RQ."""
    wanted = A_ASSOCIATE()
    wanted.application_context_name = "1.2.840.10008.3.1.1.1"
    wanted.calling_ae_title, wanted.called_ae_title = calling, called
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = 16382
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.826.0.1.3680043.8.498.1"
    wanted.user_information = [maximum, implementation]
    proposed = []
    for (sop_class, syntax), context_id in contexts.items():
        context = build_context(sop_class, syntax)
        context.context_id = context_id
        proposed.append(context)
    wanted.presentation_context_definition_list = proposed
    wanted.calling_presentation_address = AddressInformation("127.0.0.1", 1)
    wanted.called_presentation_address = AddressInformation("127.0.0.1", 1)
    return bytes(A_ASSOCIATE_RQ(wanted).encode())


class Peer:
    """A connection that sends bytes as they are, and reads whole PDUs."""

    def __init__(self, port: int, timeout_s: float = 60.0, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout_s, source_address=(source, 0)
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.max_pdu = 0
        weakref.finalize(self, self.socket.close)  # hangs up when nobody holds it any more

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def read(self) -> bytes:
        """Return the next PDU, b"" if the connection has ended."""
        header = self._exactly(HEADER.size)
        return header + self._exactly(HEADER.unpack(header)[1]) if header else b""

    def associate(self, request: bytes) -> int:
        """Negotiate; return the type of the answer."""
        self.send(request)
        answer = self.read()
        if answer[:1] == b"\x02":
            accepted = A_ASSOCIATE_AC()
            accepted.decode(answer)
            self.max_pdu = accepted.to_primitive().maximum_length_received or 1 << 20
        return answer[0] if answer else 0

    def status(self) -> int:
        """Return the status of the next answer."""
        answer = self.read()
        start = answer.index(struct.pack("<HHL", 0, 0x0900, 2)) + 8
        return int(struct.unpack_from("<H", answer, start)[0])

    def release(self) -> None:
        """Release and close."""
        self.send(RELEASE_RQ)
        self.read()
        self.socket.close()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                return b""
            data += piece
        return data


@dataclass
class Run:
    """What the threads share."""

    port: int
    request: bytes
    contexts: dict[tuple[str, str], int]
    max_pdu: int
    latencies_s: list[float] = field(default_factory=list)
    bad: int = 0

    def send(self, groups: list[list[bytes]]) -> None:
        """Send each group of prepared objects over an association of its own."""
        for group in groups:
            peer = Peer(self.port)
            if peer.associate(self.request) != 2:
                self.bad += len(group)
                continue
            for prepared in group:
                begun = time.perf_counter()
                peer.send(prepared)
                self.bad += peer.status() != 0
                self.latencies_s.append(time.perf_counter() - begun)
            peer.release()


def _groups(items: list[bytes], per_association: int) -> list[list[bytes]]:
    size = per_association or len(items)
    return [items[start : start + size] for start in range(0, len(items), size)]


def main() -> None:
    """Send and report."""
    port, called, associations, per_association = (
        int(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        int(sys.argv[4]),
    )
    items = [Item.read(Path(name)) for name in sys.argv[5:]]
    kinds = sorted({(item.sop_class, item.syntax) for item in items})
    contexts = {kind: 2 * number + 1 for number, kind in enumerate(kinds)}
    request = associate_rq(called, contexts)
    probe = Peer(port)
    if probe.associate(request) != 2:
        sys.exit("no association")
    max_pdu = min(probe.max_pdu, 1 << 20)
    probe.release()
    run = Run(port, request, contexts, max_pdu)
    prepared = [store_pdus(item, contexts[item.sop_class, item.syntax], max_pdu) for item in items]
    threads = [
        threading.Thread(
            target=run.send,
            args=(_groups(prepared[number::associations], per_association),),
        )
        for number in range(min(associations, len(prepared)))
    ]
    if per_association:  # the objects of a study stay together
        groups = _groups(prepared, per_association)
        threads = [
            threading.Thread(target=run.send, args=(groups[number::associations],))
            for number in range(associations)
        ]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - begun
    times = sorted(run.latencies_s)
    print(
        json.dumps(
            {
                "sent": len(times),
                "bad": run.bad,
                "wall_s": wall,
                "p50_ms": times[len(times) // 2] * 1e3,
                "p95_ms": times[int(len(times) * 0.95)] * 1e3,
            }
        )
    )


if __name__ == "__main__":
    main()
