"""Ask every peer of the settings whether it is there: C-ECHO, or an HTTP request."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import requests
from pynetdicom import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from daemon.calling.outgoing import Outgoing
from daemon.calling.scu import Caller
from daemon.calling.web import WebCaller
from daemon.dicom.status import Status
from daemon.errors import Unavailable
from daemon.settings import Settings
from daemon.settings.peers import DimsePeer, WebPeer

WITHIN_S = 10.0
"""Longest wait at each step."""
_AT_ONCE = 16
_SUCCESS, _WANTS_CREDENTIALS, _SERVER_FAILS = range(200, 300), (401, 403), 500


@dataclass(frozen=True)
class Peer:
    """A peer, and what it answered."""

    name: str
    """Its key in the settings, and its name."""
    settings: DimsePeer | WebPeer
    is_good: bool = False
    words: str = ""


def peers_of(settings: Settings) -> list[Peer]:
    """Return whom the daemon may call."""
    return [
        *(Peer(f"destinations.{one.name}", one) for one in settings.destinations),
        *(Peer(f"commitment.peers.{one.ae_title}", one) for one in settings.commitment.peers),
        *(Peer(f"sources.{one.name}", one) for one in settings.sources),
    ]


def ask_all(peers: Sequence[Peer], outgoing: Outgoing) -> list[Peer]:
    """Return the peers with what each answered; they are asked at the same time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda one: _asked(one, outgoing), peers))


def _asked(peer: Peer, outgoing: Outgoing) -> Peer:
    if isinstance(peer.settings, WebPeer):
        is_good, words = _get(peer.settings, outgoing.web)
    else:
        is_good, words = _echo(peer.settings, outgoing.dimse)
    return replace(peer, is_good=is_good, words=words)


def _echo(peer: DimsePeer, caller: Caller) -> tuple[bool, str]:
    where = f"{peer.ae_title} at {peer.host} port {peer.port}"
    try:
        with caller.association(peer, [build_context(Verification)]) as call:
            status = call.association.send_c_echo().get("Status")
    except Unavailable as error:
        return False, f"{where}: {error}"
    except (RuntimeError, ValueError):
        return False, f"{where} takes no C-ECHO"
    if status != Status.SUCCESS:
        return False, f"{where} answers C-ECHO with {'nothing' if status is None else hex(status)}"
    return True, f"{where} answers C-ECHO"


def _get(peer: WebPeer, caller: WebCaller) -> tuple[bool, str]:
    headers = {"Accept": "application/dicom+json"}
    try:
        with caller.session(tls=peer.tls) as session:
            answer = session.get(f"{peer.url}/studies?limit=1", headers=headers)
    except (requests.RequestException, Unavailable) as error:
        return False, f"{peer.url} does not answer ({type(error).__name__})"
    code = answer.status_code
    if code in _WANTS_CREDENTIALS:
        return False, f"{peer.url} refuses us (HTTP {code}): are the credentials in ~/.netrc right?"
    if code in _SUCCESS:
        return True, f"{peer.url} answers"
    return code < _SERVER_FAILS, f"{peer.url} answers a search with HTTP {code}"
