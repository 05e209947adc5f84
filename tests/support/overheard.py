"""What real senders say, overheard: the bytes of each connection, cut into PDUs."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileDataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from daemon.intake.association.pdu import HEADER
from tests.support.fakes import Modality
from tests.support.objects import dx, save_all
from tests.support.tools import PeerError, run_tool, storescu

CALLED, CALLING = "WRISTD", "MODALITY"
CHANGED = "1234567890"
"""The end of every SOP Instance UID; whoever repeats a stream may put other digits there."""
_PICTURE = np.arange(16 * 12, dtype=np.uint16).reshape(16, 12)
_SERVICES = (
    Verification,
    StudyRootQueryRetrieveInformationModelFind,
    StorageCommitmentPushModel,
)

Stream = tuple[bytes, ...]
"""The PDUs that a sender sent over one connection."""


@dataclass
class _Wire:
    """Passes connections on to a port, and keeps what the clients said."""

    port: int
    target: int
    heard: list[bytearray] = field(default_factory=list)


def overhear(folder: Path) -> dict[str, Stream]:
    """Let real senders talk to an archive that takes everything; return what each said."""
    folder.mkdir(parents=True, exist_ok=True)
    files = save_all([_film(number) for number in range(4)], folder)
    said: dict[str, Stream] = {}
    with _archive() as target:

        def listen(name: str, send: object, *arguments: object) -> None:
            with _overhearing(target) as wire:
                send(wire.port, *arguments)  # type: ignore[operator]
            [heard] = wire.heard
            said[name] = cut(bytes(heard))

        listen("echoscu", _run, "echoscu")
        listen("storescu", lambda port: _good(storescu(port, CALLED, files[0], calling=CALLING)))
        listen(
            "storescu, four", lambda port: _good(storescu(port, CALLED, *files, calling=CALLING))
        )
        listen("dcmsend", _run, "dcmsend", *files[:2])
        listen(
            "findscu", _run, "findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyDate"
        )
        listen("pynetdicom, implicit VR", _store_implicit)
        listen("pynetdicom, N-ACTION", _commit)
    return said


def cut(heard: bytes) -> Stream:
    """Cut a stream into its PDUs (PS3.8 9.3.1)."""
    pdus, position = [], 0
    while position + HEADER.size <= len(heard):
        end = position + HEADER.size + HEADER.unpack_from(heard, position)[1]
        pdus.append(heard[position:end])
        position = end
    return tuple(pdus)


def _film(number: int) -> FileDataset:
    film = dx(_PICTURE, number=number + 1)
    film.SOPInstanceUID = UID(f"1.2.826.0.1.3680043.10.999.{number + 1}.{CHANGED}")
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    return film


def _run(port: int, program: str, *arguments: str | Path) -> None:
    titles = ("-aet", CALLING, "-aec", CALLED)
    _good(
        run_tool(program, *titles, *_queries(arguments), "127.0.0.1", str(port), *_files(arguments))
    )


def _queries(arguments: tuple[str | Path, ...]) -> list[str]:
    return [one for one in arguments if isinstance(one, str)]


def _files(arguments: tuple[str | Path, ...]) -> list[Path]:
    return [one for one in arguments if isinstance(one, Path)]


def _good(done: tuple[int, str]) -> None:
    if done[0]:
        raise PeerError(done[1])


def _store_implicit(port: int) -> None:
    film = _film(0)
    film.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    [answer] = Modality(port, CALLED, CALLING).send(film)
    if answer.Status:
        raise PeerError(f"answered {answer.Status:04X}")


def _commit(port: int) -> None:
    asked = Dataset()
    asked.TransactionUID = "1.2.826.0.1.3680043.10.999.77"
    reference = Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    reference.ReferencedSOPInstanceUID = f"1.2.826.0.1.3680043.10.999.1.{CHANGED}"
    asked.ReferencedSOPSequence = [reference]
    ae = AE(CALLING)
    ae.add_requested_context(StorageCommitmentPushModel)
    up = ae.associate("127.0.0.1", port, ae_title=CALLED)
    up.send_n_action(asked, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
    up.release()


@contextmanager
def _archive() -> Iterator[int]:
    ae = AE(CALLED)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
    for service in _SERVICES:
        ae.add_supported_context(service)
    handlers = [
        (evt.EVT_C_STORE, lambda _event: 0x0000),
        (evt.EVT_C_FIND, lambda _event: iter(())),
        (evt.EVT_N_ACTION, lambda _event: (0x0000, None)),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@contextmanager
def _overhearing(target: int) -> Iterator[_Wire]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        wire = _Wire(listening.getsockname()[1], target)
        thread = threading.Thread(target=_pass_on, args=(listening, wire), daemon=True)
        thread.start()
        yield wire
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _pass_on(listening: socket.socket, wire: _Wire) -> None:
    while True:
        try:
            client, _address = listening.accept()
        except OSError:  # it was shut down
            return
        heard = bytearray()
        wire.heard.append(heard)
        with client, socket.create_connection(("127.0.0.1", wire.target)) as server:
            back = threading.Thread(target=_copy, args=(server, client, bytearray()))
            back.start()
            _copy(client, server, heard)
            back.join()


def _copy(source: socket.socket, target: socket.socket, heard: bytearray) -> None:
    try:
        while piece := source.recv(65536):
            heard += piece
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # the other side has gone first
        return
