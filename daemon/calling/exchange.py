"""Which answer belongs to which request (PS3.7 9.3, 10.3), and who takes it from the queue.

pynetdicom asks neither. Its reactor, the thread of an association, takes whatever comes while no
`send_*` waits; the flags by which each `send_*` pauses it leave a gap, in which it takes an answer
and throws it away. A query then misses a study without a word (pynetdicom issue 875).
"""

from dataclasses import dataclass, field

from pydicom import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import DimseServiceType
from pynetdicom.events import Event

from daemon.dicom.status import is_pending

_IS_ANSWER = 0x8000
"""Bit of the Command Field (PS3.7 E.1)."""
_C_CANCEL = 0x0FFF

_Taken = tuple[None, None] | tuple[int, DimseServiceType]
"""Presentation context and message, as pynetdicom queues them."""


@dataclass(eq=False)
class Answers:
    """Lets answers pass that are answers to our request; the others lose their status.

    pynetdicom takes an answer without a status for none, and ends the association.

    Attributes
    ----------
    strayed : bool
        Whether the peer ever answered something else than was asked (PS3.7 9.3, 10.3: command,
        message ID and, where both name one, SOP instance).
    """

    strayed: bool = field(default=False, init=False)
    _asked: tuple[int, int | None, str] | None = field(default=None, init=False)

    @property
    def is_awaited(self) -> bool:
        """Whether a request of ours has not had its last answer."""
        return self._asked is not None

    def asked(self, event: Event) -> None:
        """Note our request."""
        command = event.message.command_set
        if not command.CommandField & _IS_ANSWER and command.CommandField != _C_CANCEL:
            self._asked = command.CommandField | _IS_ANSWER, command.MessageID, _instance(command)

    def heard(self, event: Event) -> None:
        """Compare an answer with it."""
        command = event.message.command_set
        if not command.get("CommandField", 0) & _IS_ANSWER:
            return
        if not self._is_asked(command):
            self.strayed = True
            command.pop("Status", None)
        elif not is_pending(command.get("Status", 0)):
            self._asked = None

    def are_kept_for_who_asked(self, association: Association) -> None:
        """Leave the reactor of an association the requests of the peer, while we await nothing."""
        provider = association.dimse
        waiting, take = provider.msg_queue, provider.get_msg

        def get_msg(block: bool = False) -> _Taken:
            if block:
                return take(block=True)
            with waiting.mutex:
                if self.is_awaited or not waiting.queue or not _is_request(waiting.queue[0]):
                    return None, None
                taken: _Taken = waiting.queue.popleft()
            return taken

        provider.get_msg = get_msg  # type: ignore[method-assign]  # no other hook

    def _is_asked(self, command: Dataset) -> bool:
        if self._asked is None or self.strayed:
            return False
        field_, message_id, instance = self._asked
        told = _instance(command)
        return (
            command.CommandField == field_
            and command.get("MessageIDBeingRespondedTo") == message_id
            and (not told or not instance or told == instance)
        )


def _is_request(taken: _Taken) -> bool:
    message = taken[1]
    return message is not None and message.MessageIDBeingRespondedTo is None


def _instance(command: Dataset) -> str:
    uid = command.get("AffectedSOPInstanceUID") or command.get("RequestedSOPInstanceUID") or ""
    return str(uid).strip(" \0")
