"""What the receiver answers besides C-STORE: a table from request to answerer.

An association hands each whole request to the entry for its command field and SOP class. Another
service joins by one more entry, e.g. ``(Field.N_ACTION, "1.2.840.10008.1.20.1")`` for Storage
Commitment; its SOP class is then offered in the negotiation too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from daemon.dicom.status import Status
from daemon.intake.association.command import Command, Field


@dataclass(frozen=True)
class Request:
    """A request as it came, whole."""

    command: Command
    abstract_syntax: str
    """Of the presentation context."""
    transfer_syntax: UID
    """Of the presentation context; for `data_set`."""
    data_set: bytes
    """Empty if there is none."""
    calling_ae: str
    peer_host: str
    """IP address of the peer."""


@dataclass(frozen=True)
class Response:
    """What to answer; the rest of the command set follows from the request."""

    status: int = Status.SUCCESS
    comment: str = ""
    """Error Comment: at most 64 characters, no PHI."""
    data_set: bytes = b""
    """Encoded in the transfer syntax of the request; empty sends none."""


Answerer = Callable[[Request], Response]
"""Called in the thread of the association; an exception is answered with 0110."""
AnswerTable = Mapping[tuple[int, str], Answerer]
"""By Command Field and SOP Class UID."""


def echo(_request: Request) -> Response:
    """Answer C-ECHO (PS3.4 A)."""
    return Response()


VERIFICATION: AnswerTable = {(Field.C_ECHO, str(Verification)): echo}


def answer(request: Request, table: AnswerTable) -> Response:
    """Answer a request from the table (PS3.7 C.5 where it has no entry)."""
    command = request.command
    if command.field == Field.C_ECHO:
        return echo(request)  # whatever class it names: it asks whether we are there
    answerer = table.get((command.field, command.sop_class_uid))
    if answerer is not None and request.abstract_syntax == command.sop_class_uid:
        return answerer(request)
    known = any(field == command.field for field, _sop_class in table)
    return Response(Status.SOP_CLASS_NOT_SUPPORTED if known else Status.UNRECOGNISED_OPERATION)
