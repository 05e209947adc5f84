"""TLS on a connection that a peer opened."""

import socket
import ssl

from daemon.errors import Unavailable


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
