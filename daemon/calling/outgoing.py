"""Everything that the daemon calls peers by, built once, and hung up together."""

from dataclasses import dataclass
from pathlib import Path
from threading import Event

from daemon.calling.scu import Caller
from daemon.calling.web import WebCaller
from daemon.dicom.tls import client_context
from daemon.settings import Settings


@dataclass(frozen=True, eq=False)
class Outgoing:
    """Associations and HTTP sessions that we open; `stopping` tells their users to end."""

    dimse: Caller
    web: WebCaller
    stopping: Event

    def hang_up(self) -> None:
        """Cut what is open, and open no more: whatever a peer does, nobody waits for it."""
        self.stopping.set()
        self.dimse.hang_up()
        self.web.hang_up()


def build_outgoing(settings: Settings) -> Outgoing:
    """Build both from the settings.

    Raises
    ------
    Misconfigured
        The TLS files cannot be used.
    """
    files, timeout_s, stopping = settings.tls_files(), settings.delivery.timeout_s, Event()
    ours = (files.certificate, files.key) if files.certificate else None
    context = None
    if files.authority:
        paths = (Path(files.certificate), Path(files.key)) if ours else None
        context = client_context(Path(files.authority), paths)
    return Outgoing(
        Caller(settings.node.ae_title, timeout_s, context, stopping),
        WebCaller(timeout_s, files.authority, ours, stopping),
        stopping,
    )
