"""TLS, both ways round: contexts, and what went wrong in words (PS3.15 B.12, BCP 195)."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from daemon.errors import Misconfigured

_EXPIRED, _NOT_YET_VALID = 10, 9
_WRONG_NAME = (62, 64)
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
"""Of X509_verify_cert_error_string(3)."""
TLS_REFUSED = "TLS: the peer does not take our certificate, or our kind of TLS"


def server_context(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """Return a context that shows our certificate and wants one that the authority signed.

    Raises
    ------
    Misconfigured
        A file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _filled(context, "receiver.tls_*", authority, (certificate, key))


def client_context(authority: Path, ours: tuple[Path, Path] | None) -> ssl.SSLContext:
    """Return a context that wants a certificate that the authority signed for the host called.

    Parameters
    ----------
    authority : Path
    ours : (Path, Path) or None
        Certificate and key that we show; None where peers ask for none.

    Raises
    ------
    Misconfigured
        A file cannot be used.
    """
    return _filled(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "tls.*", authority, ours)


def words_of(error: Exception) -> str:
    """Say for people why there is no TLS with a peer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            return "TLS: the peer's certificate is for another host"
        if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
            return "TLS: the peer's certificate is expired, or not valid yet"
        if error.verify_code in _UNKNOWN_AUTHORITY:
            return "TLS: the peer's certificate is not signed by the authority of the settings"
        return "TLS: the peer's certificate is not valid"
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return TLS_REFUSED
    return f"TLS: no handshake with the peer ({type(error).__name__})"


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


def _filled(
    context: ssl.SSLContext, setting: str, authority: Path, ours: tuple[Path, Path] | None
) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ours is not None:
            context.load_cert_chain(*ours)
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"{setting}: certificate, key or authority cannot be used: {error.strerror}"
        ) from error
    return context


def _step(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:  # the other side's turn
        return
