"""Ask every peer of the settings whether it is there: C-ECHO, or an HTTP request."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import requests
from pynetdicom.ae import ApplicationEntity
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from daemon.delivery.stow import Session
from daemon.settings import Settings

WITHIN_S = 10.0
"""Longest wait at each step."""
_AT_ONCE = 16
_SUCCESS, _WANTS_CREDENTIALS, _SERVER_FAILS = range(200, 300), (401, 403), 500


@dataclass(frozen=True)
class Peer:
    """A peer, and what it answered."""

    name: str
    """Its key in the settings, and its name."""
    ae_title: str = ""
    host: str = ""
    port: int = 0
    url: str = ""
    """Of a web peer; it has nothing of the three above."""
    is_good: bool = False
    words: str = ""


class _Called(Protocol):
    @property
    def ae_title(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


def peers_of(settings: Settings) -> list[Peer]:
    """Return whom the daemon may call."""
    called: list[tuple[str, _Called]] = [
        *((f"destinations.{one.name}", one) for one in settings.destinations),
        *((f"commitment.peers.{one.ae_title}", one) for one in settings.commitment.peers),
        *((f"pull.sources.{one.name}", one) for one in settings.pull.sources),
    ]
    dimse = [Peer(name, one.ae_title, one.host, one.port) for name, one in called]
    web = [Peer(f"delivery.web.{one.name}", url=one.url) for one in settings.delivery.web]
    return [
        *dimse,
        *web,
        *(Peer(f"pull.web.{one.name}", url=one.url) for one in settings.pull.web),
    ]


def ask_all(peers: Sequence[Peer], ours: str, within_s: float = WITHIN_S) -> list[Peer]:
    """Return the peers with what each answered; they are asked at the same time.

    Parameters
    ----------
    peers : sequence of Peer
    ours : str
        Our AE title.
    within_s : float
        Longest wait at each step, seconds.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda one: _asked(one, ours, within_s), peers))


def _asked(peer: Peer, ours: str, within_s: float) -> Peer:
    is_good, words = _get(peer, within_s) if peer.url else _echo(peer, ours, within_s)
    return replace(peer, is_good=is_good, words=words)


def _echo(peer: Peer, ours: str, within_s: float) -> tuple[bool, str]:
    ae = ApplicationEntity(ours)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = within_s
    ae.add_requested_context(Verification)
    where = f"{peer.ae_title} at {peer.host} port {peer.port}"
    up = ae.associate(peer.host, peer.port, ae_title=peer.ae_title)
    if up.is_rejected and up.acceptor.primitive is not None:
        return False, f"{where} rejects the association: {up.acceptor.primitive.reason_str}"
    if not up.is_established:
        return False, f"{where} does not answer"
    try:
        status = up.send_c_echo().get("Status")
    except (RuntimeError, ValueError):
        return False, f"{where} takes no C-ECHO"
    finally:
        up.release()
    if status != 0x0000:
        return False, f"{where} answers C-ECHO with {'nothing' if status is None else hex(status)}"
    return True, f"{where} answers C-ECHO"


def _get(peer: Peer, within_s: float) -> tuple[bool, str]:
    headers = {"Accept": "application/dicom+json"}
    try:
        with Session(within_s) as session:
            answer = session.get(f"{peer.url}/studies?limit=1", headers=headers)
    except requests.RequestException as error:
        return False, f"{peer.url} does not answer ({type(error).__name__})"
    code = answer.status_code
    if code in _WANTS_CREDENTIALS:
        return False, f"{peer.url} refuses us (HTTP {code}): are the credentials in ~/.netrc right?"
    if code in _SUCCESS:
        return True, f"{peer.url} answers"
    return code < _SERVER_FAILS, f"{peer.url} answers a search with HTTP {code}"
