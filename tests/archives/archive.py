"""An archive that plays one behaviour until it is healed, and from then on stores as it should."""

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from daemon.intake.association.associate import (
    Answered,
    AssociationRequest,
    Result,
    read_request,
    write_acceptance,
)
from daemon.intake.association.command import Command, read_command, write_answer
from daemon.intake.association.pdu import (
    HEADER,
    IS_COMMAND,
    IS_LAST,
    PDV_CONTROL,
    PDV_HEADER,
    RELEASE_REPLY,
    PduType,
    message,
)
from daemon.settings import DimseDestination

SMALL_WINDOW_BYTES = 4096
"""Of the receive buffer: who stops reading is felt soon."""
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


class Ended(Exception):
    """The other side has ended the conversation, or the archive is leaving."""


@dataclass
class Request:
    """A message that came, whole."""

    context_id: int
    command: Command
    data: bytes

    @property
    def instance(self) -> str:
        return self.command.sop_instance_uid


class Conversation:
    """One connection to the archive; `RELEASE_RQ` ends it by itself."""

    def __init__(self, connection: socket.socket, archive: "HostileArchive") -> None:
        self.socket, self.archive = connection, archive
        self.wanted: AssociationRequest | None = None

    def send(self, *data: bytes) -> None:
        try:
            self.socket.sendall(b"".join(data))
        except OSError as error:
            raise Ended from error

    def drip(self, data: bytes, pause_s: float = 0.3) -> None:
        for byte in data:
            self.send(bytes((byte,)))
            self.pause(pause_s)

    def pause(self, seconds: float = 3600.0) -> None:
        """Do nothing; ends when the archive heals or leaves."""
        if self.archive.is_over.wait(seconds):
            raise Ended

    def pdu(self) -> tuple[int, bytes]:
        kind, length = HEADER.unpack(header := self._exactly(HEADER.size))
        return kind, header + self._exactly(length)

    def asked(self) -> AssociationRequest:
        """Read the association request."""
        _kind, data = self.pdu()
        self.wanted = read_request(data)
        return self.wanted

    def acceptance(self, max_pdu: int = 65536, answers: Sequence[Answered] | None = None) -> bytes:
        """Return the A-ASSOCIATE-AC; every context is taken but queries, if not said otherwise."""
        wanted = self.wanted or self.asked()
        if answers is None:
            answers = [
                Answered(
                    one.context_id,
                    Result.ABSTRACT_SYNTAX_NOT_SUPPORTED
                    if one.abstract_syntax == FIND
                    else Result.ACCEPTED,
                    one.transfer_syntaxes[0],
                )
                for one in wanted.contexts
            ]
        return write_acceptance(wanted, answers, max_pdu, {})

    def accept(self, **how: object) -> Self:
        self.send(self.acceptance(**how))
        return self

    def request(self, *, answers_release: bool = True) -> Request:
        """Read the next request; the peer's release ends the conversation."""
        command, data, context_id = b"", b"", 0
        while True:
            kind, pdu = self.pdu()
            if kind == PduType.RELEASE_RQ:
                if not answers_release:
                    self.pause()
                self.send(RELEASE_REPLY)
                raise Ended
            if kind != PduType.DATA:
                raise Ended
            for context_id, control, value in _pdvs(pdu[HEADER.size :]):
                if control & IS_COMMAND:
                    command += value
                else:
                    data += value
                if control & IS_LAST and (data or not read_command(command).has_data_set):
                    return Request(context_id, read_command(command), data)

    def answer(self, request: Request, status: int = 0x0000) -> None:
        self.send(message(request.context_id, write_answer(request.command, status), b"", 0))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(min(size - len(data), 1 << 20))
            except OSError as error:
                raise Ended from error
            if not piece:
                raise Ended
            data += piece
        return data


def _pdvs(body: bytes):
    position = 0
    while position < len(body):
        length, context_id, control = PDV_HEADER.unpack_from(body, position)
        start = position + PDV_HEADER.size
        position = start + length - PDV_CONTROL
        yield context_id, control, body[start:position]


Behaviour = Callable[[Conversation], None]


def stores(
    conversation: Conversation,
    status: int = 0x0000,
    *,
    keeps: bool = True,
    answers_release: bool = True,
    max_pdu: int = 65536,
) -> None:
    """Be an archive: keep what comes, and say so."""
    conversation.accept(max_pdu=max_pdu)
    while True:
        request = conversation.request(answers_release=answers_release)
        if keeps:
            conversation.archive.keep(request)
        conversation.answer(request, status)


@dataclass
class HostileArchive:
    """Listens on a port of its own; use it as a context manager."""

    name: str
    behaviour: Behaviour
    ae_title: str = "ARCHIVE"
    kept: Counter[str] = field(default_factory=Counter)
    """How often each object came and was kept, by SOP Instance UID."""
    contents: dict[str, set[bytes]] = field(default_factory=dict)
    associations: int = 0
    """Connections since the last change."""
    is_over: threading.Event = field(default_factory=threading.Event)
    called: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW_BYTES)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, name="archive", daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.is_over.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def heal(self) -> None:
        """End what is going on, and store from now on."""
        over, self.is_over = self.is_over, threading.Event()
        self.behaviour, self.associations = stores, 0
        over.set()

    def keep(self, request: Request) -> None:
        with self._lock:
            self.kept[request.instance] += 1
            self.contents.setdefault(request.instance, set()).add(request.data)

    def destination(self) -> DimseDestination:
        return DimseDestination(
            name=self.name, ae_title=self.ae_title, host="127.0.0.1", port=self.port
        )

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listening.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=(connection,), name="archive", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        self.associations += 1
        self.called.set()
        with connection, contextlib.suppress(Ended):
            connection.settimeout(30.0)
            self.behaviour(Conversation(connection, self))
