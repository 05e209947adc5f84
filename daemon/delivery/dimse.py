"""Send results by C-STORE over one association, and say of each what the destination answered.

Every way in which pynetdicom reports success, refusal and failure is translated here, once.
"""

import logging
import socket
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import _config as pynetdicom_config
from pynetdicom import build_context, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.events import Event

from daemon.delivery.answer import Answer, Verdict, judge
from daemon.delivery.compress import compressed, preferred_syntax
from daemon.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from daemon.records import ResultFile
from daemon.settings import Destination

logger = logging.getLogger(__name__)

MAX_PDU_BYTES = 131072
_SMALLEST_PDU = 4096
"""A peer that takes smaller ones would get each object in thousands of pieces."""
_C_STORE_ANSWER = 0x8001
_REJECTED_PERMANENT = 1
"""Result of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""


@dataclass(frozen=True)
class StorageUser:
    """The storage SCU for one destination.

    Attributes
    ----------
    destination : Destination
    ae_title : str
        Ours, as calling AE title.
    timeout_s : float
        Longest wait for a connection, an association, an answer.
    """

    destination: Destination
    ae_title: str
    timeout_s: float

    def send(self, results: Sequence[ResultFile], outbox: Path) -> Generator[Answer]:
        """Send files over one association; one answer for each, in their order, as it comes.

        When the association ends early, the last answer is that of the object during which it
        ended: for the rest there is none, nothing was tried.
        """
        heard = _Heard()
        association = self._associate(results, heard)
        if (objection := _objection(association)) is not None:
            yield from (objection for _ in results)
            return
        try:
            for number, result in enumerate(results, start=1):
                syntax = preferred_syntax(self.destination, result.sop_class_uid)
                answer = _store(association, (result, syntax), outbox / result.file, number)
                yield heard.checked(association, answer, number, result)
                if not _is_up(association):
                    return
        finally:
            if _is_up(association):
                association.release()

    def _associate(self, results: Sequence[ResultFile], heard: "_Heard") -> Association:
        pynetdicom_config.STORE_SEND_CHUNKED_DATASET = True  # files go out as they are, in pieces
        ae = ApplicationEntity(self.ae_title)
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.connection_timeout = self.timeout_s
        ae.acse_timeout = self.timeout_s
        ae.dimse_timeout = self.timeout_s
        ae.network_timeout = self.timeout_s
        needed = {(one.sop_class_uid, UID(one.transfer_syntax_uid)): None for one in results}
        for sop_class in {one.sop_class_uid for one in results}:
            if syntax := preferred_syntax(self.destination, sop_class):
                needed[sop_class, syntax] = None
            needed[sop_class, ImplicitVRLittleEndian] = None  # the default (PS3.5 10.1)
        return ae.associate(
            self.destination.host,
            self.destination.port,
            contexts=[build_context(sop_class, syntax) for sop_class, syntax in needed],
            ae_title=self.destination.ae_title,
            max_pdu=MAX_PDU_BYTES,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, _send_at_once),
                (evt.EVT_DATA_SENT, _acknowledge_at_once),
                (evt.EVT_DATA_RECV, _acknowledge_at_once),
                (evt.EVT_DIMSE_RECV, heard.take),
            ],
        )


@dataclass
class _Heard:
    """The latest message of the peer: pynetdicom does not ask whether it answers our request."""

    command: Dataset = field(default_factory=Dataset)

    def take(self, event: Event) -> None:
        """Keep the command set of a message."""
        self.command = event.message.command_set

    def checked(
        self, association: Association, answer: Answer, number: int, result: ResultFile
    ) -> Answer:
        """Let an answer pass that is one to our request (PS3.7 9.3.1.2); end the others'."""
        if answer.status is None:
            return answer
        command = self.command
        instance = str(command.get("AffectedSOPInstanceUID") or result.sop_instance_uid)
        if (
            command.get("CommandField") == _C_STORE_ANSWER
            and command.get("MessageIDBeingRespondedTo") == number
            and instance == result.sop_instance_uid
        ):
            return answer
        association.abort()
        return Answer(Verdict.LATER, None, "destination answered another request than ours")


def _is_up(association: Association) -> bool:
    return association.is_established


def _send_at_once(event: Event) -> None:
    """Send command and data set without waiting in between: they are two small writes of ours."""
    _set_tcp_option(event, socket.TCP_NODELAY)


def _acknowledge_at_once(event: Event) -> None:
    """Ask the kernel not to delay its TCP acknowledgements; it forgets this after each use.

    Archives that answer in two small writes otherwise wait some 40 ms for each object (Nagle's
    algorithm at their side against the delayed acknowledgement at ours).
    """
    _set_tcp_option(event, socket.TCP_QUICKACK)


def _set_tcp_option(event: Event, option: int) -> None:
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, option, 1)


def _objection(association: Association) -> Answer | None:
    """Return why nothing can be sent; None where it can."""
    if not _is_up(association):
        return _no_association(association)
    longest = association.acceptor.maximum_length
    if longest and longest < _SMALLEST_PDU:
        association.abort()
        return Answer(Verdict.LATER, None, f"destination takes PDUs of {longest} bytes only")
    return None


def _no_association(association: Association) -> Answer:
    if association.is_rejected and association.acceptor.primitive is not None:
        reply = association.acceptor.primitive
        for_good = reply.result == _REJECTED_PERMANENT
        verdict = Verdict.REFUSED if for_good else Verdict.LATER
        return Answer(verdict, None, f"association rejected: {reply.reason_str}")
    if association.rejected_contexts:
        return Answer(Verdict.REFUSED, None, "destination takes none of these SOP classes")
    return Answer(Verdict.LATER, None, "no association: is the destination up, and its address?")


def _store(
    association: Association, wanted: tuple[ResultFile, UID | None], file: Path, number: int
) -> Answer:
    """Send one object, compressed as wanted where the peer accepts that, else as it is."""
    result, syntax = wanted
    plain = _is_accepted(association, result, result.transfer_syntax_uid)
    small = syntax is not None and _is_accepted(association, result, syntax)
    implicit = _is_accepted(association, result, ImplicitVRLittleEndian)
    if not plain and not small and not implicit:
        return Answer(Verdict.REFUSED, None, "destination does not take this SOP class")
    if not file.is_file():
        return Answer(Verdict.REFUSED, None, "result file is missing from the outbox")
    try:
        if syntax is not None and small:
            sent: Path | Dataset = compressed(file, syntax)
        else:
            sent = file if plain else dcmread(file)  # a data set is written as the peer takes it
        response = association.send_c_store(sent, msg_id=number)
    except (InvalidDicomError, AttributeError, ValueError) as error:
        association.abort()
        return Answer(Verdict.REFUSED, None, f"result file is damaged: {type(error).__name__}")
    except (OSError, RuntimeError) as error:
        association.abort()
        return Answer(Verdict.LATER, None, f"could not be sent: {type(error).__name__}")
    if "Status" not in response:
        return Answer(Verdict.LATER, None, "association ended without an answer")
    status = int(response.Status)
    return Answer(judge(status), status, f"status {status:04X}")


def _is_accepted(association: Association, result: ResultFile, syntax: str) -> bool:
    return any(
        context.abstract_syntax == result.sop_class_uid and context.transfer_syntax[0] == syntax
        for context in association.accepted_contexts
    )
