"""TLS for the receiver: mutual, as BCP 195 asks (PS3.15 B.12)."""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

from daemon.errors import Misconfigured, Unavailable


def server_context(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """Return a context that shows our certificate and wants one that the authority signed.

    Raises
    ------
    Misconfigured
        A file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"receiver.tls_*: certificate, key or authority cannot be used: {error.strerror}"
        ) from error
    return context


def wrapped(context: ssl.SSLContext, connection: socket.socket) -> ssl.SSLSocket:
    """Put a connection under TLS, the handshake still to be done.

    Raises
    ------
    Unavailable
        The connection is gone.
    """
    try:
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    except OSError as error:
        raise Unavailable(f"TLS handshake failed: {type(error).__name__}") from error


def shake_hands(connection: ssl.SSLSocket, within_s: float) -> None:
    """Do the handshake with a peer.

    Raises
    ------
    Unavailable
        The peer speaks no TLS, shows no valid certificate, or is too slow.
    """
    try:
        connection.settimeout(within_s)
        connection.do_handshake()
    except (OSError, ValueError) as error:  # ValueError: it was cut in between
        raise Unavailable(f"TLS handshake failed: {type(error).__name__}") from error


def expiry_of(certificate: Path, key: Path, authority: Path) -> datetime:
    """Return when our certificate ends, as a peer sees it: it is shown in a handshake.

    Raises
    ------
    Misconfigured
        A file cannot be used, key and certificate do not fit, or it is not valid now.
    """
    ours = server_context(certificate, key, authority)
    ours.verify_mode = ssl.CERT_NONE  # whoever looks here has none
    looks = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looks.check_hostname = False
    looks.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    looks.load_verify_locations(certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = looks.wrap_bio(back, there)
    server = ours.wrap_bio(there, back, server_side=True)
    try:
        for side in (client, server, client):
            _step(side)
    except ssl.SSLCertVerificationError as error:
        raise Misconfigured(f"is not valid: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise Misconfigured(f"cannot be shown: {error.reason}") from error
    ends = (client.getpeercert() or {}).get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC)


def _step(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:  # the other side's turn
        return
