"""pynetdicom's transport, put on a `Line`: what its own leaves without an end has one here.

pynetdicom connects, reads and writes without any deadline once it is connected, reads as many bytes
as the header of a PDU names, never stops reading, and runs its upper layer in a thread that keeps
the process alive. It offers no hook for another transport but `ApplicationEntity._create_socket`, a
private method; tests prove every behaviour that is promised here, so that a release of pynetdicom
that goes another way is seen.
"""

import logging
import socket
from collections.abc import Callable

from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_P_ABORT
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket
from typing_extensions import override

from daemon.calling.exchange import Answers
from daemon.calling.line import Line
from daemon.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

logger = logging.getLogger(__name__)

THREAD_NAME = "calling"
"""Of every thread that pynetdicom starts for us."""
LARGEST_PDU_BYTES = 1024 * 1024
"""Some peers do not look at the maximum length that we announce; a longer PDU is an attack."""
MOST_WAITING = 64
"""Messages that came and nobody has taken yet; when there are more the peer has to wait."""


class Transport(AssociationSocket):
    """A connected `Line` in the place of pynetdicom's own socket.

    Attributes
    ----------
    line : Line
    failure : OSError or None
        What ended it.
    """

    def __init__(self, association: Association, line: Line, largest_message_bytes: int) -> None:
        self.line = line
        self._largest_message_bytes = largest_message_bytes
        self._message_bytes = 0
        self.failure: OSError | None = None
        super().__init__(association, address=AddressInformation("127.0.0.1", 0))

    def message_ended(self, _event: Event) -> None:
        """Count the bytes of the next message from here on."""
        self._message_bytes = 0

    @override
    def _create_socket(self, address: AddressInformation) -> socket.socket:
        self._is_connected = False
        return self.line.connection

    @override
    def connect(self, primitive: T_CONNECT) -> None:
        """Say that we are connected: the line was, before there was an association."""
        self._is_connected = True
        primitive.result = "Evt2"  # transport connection confirmed (PS3.8 table 9-10)
        self.provider_queue.put(primitive)
        self._ready.set()

    @property
    @override
    def ready(self) -> bool:
        """Whether there is something to read, and room for it."""
        if self.socket is None or not self._is_connected:
            return False
        if self.assoc.dimse.msg_queue.qsize() >= MOST_WAITING:
            return False
        try:
            return self.line.is_readable()
        except (OSError, ValueError) as error:
            self._note(error)
            self.event_queue.put("Evt17")  # transport connection closed
            return False

    @override
    def recv(self, nr_bytes: int) -> bytearray:
        """Read a header or the rest of a PDU; OSError where it is too long or too slow."""
        self._message_bytes += nr_bytes
        if nr_bytes > LARGEST_PDU_BYTES or self._message_bytes > self._largest_message_bytes:
            self.failure = ConnectionAbortedError("peer sends without an end")
            raise self.failure
        try:
            return self.line.receive(nr_bytes)
        except OSError as error:
            self._note(error)
            raise

    @override
    def send(self, bytestream: bytes) -> None:
        """Send a PDU, or end the association."""
        try:
            self.line.send(bytestream)
        except OSError as error:
            self._note(error)
            self.event_queue.put("Evt17")

    def cut(self) -> None:
        """See `Line.cut`."""
        self.line.cut()

    @override
    def _shutdown_socket(self) -> None:
        self.line.cut()

    def _note(self, error: Exception) -> None:
        if self.failure is None and isinstance(error, OSError):
            self.failure = error


class Requestor(ApplicationEntity):
    """An application entity for one association over one line."""

    def __init__(
        self,
        ae_title: str,
        timeout_s: float,
        line: Line,
        answers: Answers,
        largest_message_bytes: int,
    ) -> None:
        super().__init__(ae_title)
        self.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        self.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        self.connection_timeout = self.acse_timeout = timeout_s
        self.dimse_timeout = self.network_timeout = timeout_s
        self._line = line
        self._answers = answers
        self._largest_message_bytes = largest_message_bytes
        self.association: Association | None = None
        """Also when `associate` raised."""

    @override
    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: object
    ) -> AssociationSocket:
        assoc.dul.daemon = True
        assoc.dul.run = _mourned(assoc.dul)  # type: ignore[method-assign]  # no other hook
        assoc.name = assoc.dul.name = THREAD_NAME
        transport = Transport(assoc, self._line, self._largest_message_bytes)
        assoc.bind(evt.EVT_DIMSE_RECV, transport.message_ended)
        assoc.bind(evt.EVT_DIMSE_SENT, self._answers.asked)
        assoc.bind(evt.EVT_DIMSE_RECV, self._answers.heard)
        self._answers.are_kept_for_who_asked(assoc)
        self.association = assoc
        return transport


def _mourned(upper_layer: DULServiceProvider) -> Callable[[], None]:
    """Return the thread's work, after whose unexpected end nobody waits for it in vain.

    What a peer sends can raise almost anything in pynetdicom's state machine.
    """
    run = upper_layer.run

    def run_and_tell() -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - whatever a peer can raise ends its association
            logger.warning("a peer broke the protocol: %s", type(error).__name__)
            upper_layer.to_user_queue.put(A_P_ABORT())
            upper_layer.assoc.dimse.msg_queue.put((None, None))

    return run_and_tell
