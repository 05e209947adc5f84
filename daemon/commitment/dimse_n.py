"""The associations that storage commitment needs: to ask as an SCU, to report as an SCP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import cast

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import build_context, build_role, evt
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.events import Event

from daemon.calling.scu import CalledPeer, Caller
from daemon.commitment.transaction import PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST, EventType
from daemon.dicom.status import Status
from daemon.errors import Rejected, Unavailable

OnReport = Callable[[bytes, UID], None]
"""Takes a report's data set as it came, and its transfer syntax; raises Rejected, Unavailable."""


@contextmanager
def asking(
    caller: Caller, peer: CalledPeer, on_report: OnReport
) -> Iterator[Callable[[Dataset], int]]:
    """Give a function that sends a request (N-ACTION) and returns the status.

    A peer that reports over the same association, while it is open, is heard.

    Raises
    ------
    Unavailable
        There is no association, or no answer.
    """

    def hear(event: Event) -> tuple[int, None]:
        told = cast(N_EVENT_REPORT, event.request).EventInformation
        data = told.getvalue() if isinstance(told, BytesIO) else b""
        try:
            on_report(data, UID(event.context.transfer_syntax))
        except Rejected:
            return Status.INVALID_ARGUMENT, None
        return Status.SUCCESS, None

    handlers = [(evt.EVT_N_EVENT_REPORT, hear)]
    with caller.association(peer, [build_context(PUSH_MODEL)], handlers=handlers) as call:

        def ask(request: Dataset) -> int:
            up = call.association
            reply, _ = up.send_n_action(request, REQUEST, PUSH_MODEL, PUSH_MODEL_INSTANCE)
            return _status(reply)

        with _taking_part():
            yield ask


def report_to(caller: Caller, peer: CalledPeer, event_type: EventType, report: Dataset) -> int:
    """Send a report (N-EVENT-REPORT) over a new association; returns the status.

    Raises
    ------
    Unavailable
        There is no association, or no answer.
    """
    contexts, roles = [build_context(PUSH_MODEL)], [build_role(PUSH_MODEL, scp_role=True)]
    with caller.association(peer, contexts, roles) as call, _taking_part():
        reply, _ = call.association.send_n_event_report(
            report, event_type, PUSH_MODEL, PUSH_MODEL_INSTANCE
        )
        return _status(reply)


@contextmanager
def _taking_part() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise Unavailable("the peer does not take part in storage commitment") from error


def _status(reply: Dataset) -> int:
    if "Status" not in reply:
        raise Unavailable("association ended without an answer")
    return int(reply.Status)
