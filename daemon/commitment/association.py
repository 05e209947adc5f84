"""The associations that storage commitment needs: to ask as an SCU, to report as an SCP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import build_context, build_role, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.events import Event

from daemon.commitment.report import PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST, EventType
from daemon.errors import Unavailable
from daemon.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

OnReport = Callable[[Dataset], None]


class Peer(Protocol):
    """Whom to call."""

    @property
    def ae_title(self) -> str:
        """Its AE title."""

    @property
    def host(self) -> str:
        """Its address."""

    @property
    def port(self) -> int:
        """Its port."""


@dataclass(frozen=True)
class Caller:
    """Opens associations in our name."""

    ae_title: str
    timeout_s: float

    @contextmanager
    def asking(self, peer: Peer, on_report: OnReport) -> Iterator[Callable[[Dataset], int]]:
        """Give a function that sends a request (N-ACTION) and returns the status.

        A peer that reports over the same association, while it is open, is heard.

        Raises
        ------
        Unavailable
            There is no association, or no answer.
        """

        def hear(event: Event) -> tuple[int, None]:
            on_report(event.event_information)
            return 0x0000, None

        with self._association(peer, as_scp=False, handlers=[(evt.EVT_N_EVENT_REPORT, hear)]) as up:

            def ask(request: Dataset) -> int:
                reply, _ = up.send_n_action(request, REQUEST, PUSH_MODEL, PUSH_MODEL_INSTANCE)
                return _status(reply)

            yield ask

    def report(self, peer: Peer, event_type: EventType, report: Dataset) -> int:
        """Send a report (N-EVENT-REPORT) over a new association; returns the status.

        Raises
        ------
        Unavailable
            There is no association, or no answer.
        """
        with self._association(peer, as_scp=True, handlers=[]) as up:
            reply, _ = up.send_n_event_report(report, event_type, PUSH_MODEL, PUSH_MODEL_INSTANCE)
            return _status(reply)

    @contextmanager
    def _association(
        self, peer: Peer, *, as_scp: bool, handlers: list[tuple[object, object]]
    ) -> Iterator[Association]:
        ae = ApplicationEntity(self.ae_title)
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.connection_timeout = ae.acse_timeout = self.timeout_s
        ae.dimse_timeout = ae.network_timeout = self.timeout_s
        association = ae.associate(
            peer.host,
            peer.port,
            contexts=[build_context(PUSH_MODEL)],
            ae_title=peer.ae_title,
            ext_neg=[build_role(PUSH_MODEL, scp_role=True)] if as_scp else [],
            evt_handlers=handlers,  # type: ignore[arg-type]  # its own type is not exported
        )
        if not association.is_established:
            raise Unavailable("no association for storage commitment")
        try:
            yield association
        except (RuntimeError, ValueError) as error:
            raise Unavailable("the peer does not take part in storage commitment") from error
        finally:
            if association.is_established:
                association.release()


def _status(reply: Dataset) -> int:
    if "Status" not in reply:
        raise Unavailable("association ended without an answer")
    return int(reply.Status)
