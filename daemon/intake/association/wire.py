"""A connection on which every read and write has a deadline, and which can be cut from outside.

On a plain socket the kernel keeps the deadline: with MSG_WAITALL one call returns all that was
asked for, or what came until SO_RCVTIMEO had passed. However slowly bytes drip, a read ends.
"""

import contextlib
import socket
import ssl
import struct
from time import monotonic

from daemon.errors import Unavailable
from daemon.intake.association.handshake import shake_hands, wrapped

LINGER_S = 1.0
"""How long a peer has to take our last words before the connection is closed."""
LINGER_BYTES = 1 << 20
"""... and how much it may send meanwhile."""
_TIMEVAL = struct.Struct("@ll")


class PeerGone(Unavailable):
    """The peer closed the connection."""


class TooSlow(Unavailable):
    """The peer did not send, or take, in time."""


class Wire:
    """One connection; plain TCP until `secure`.

    Parameters
    ----------
    connection : socket
        Connected TCP; from now on this object's own.
    send_within_s : float
        Longest wait for the peer to take what we send.
    """

    def __init__(self, connection: socket.socket, send_within_s: float) -> None:
        self._socket = connection
        self._is_tls = False
        self._flags = int(socket.MSG_WAITALL)
        self._limit_s = 0.0
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(send_within_s))

    def secure(self, context: ssl.SSLContext, within_s: float) -> None:
        """Go over to TLS, as its server.

        Raises
        ------
        Unavailable
            The peer speaks no TLS, shows no valid certificate, or is too slow.
        """
        # The socket that can be cut is the new one from here on: the old one is detached.
        secured = self._socket = wrapped(context, self._socket)
        self._is_tls, self._flags = True, 0
        shake_hands(secured, within_s)

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._socket.fileno()

    def wake_at(self, size: int) -> None:
        """Let a selector report this connection when so many bytes are there, or it has ended."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def peek(self, size: int) -> bytes:
        """Return at most so many of the bytes that are there, and leave them; waits for nothing."""
        try:
            return self._socket.recv(size, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:  # nothing is there, or the connection is gone
            return b""

    def read(self, size: int, within_s: float) -> bytearray:
        """Read exactly this many bytes.

        Raises
        ------
        PeerGone, TooSlow
        """
        data = bytearray(size)
        self.read_into(memoryview(data), within_s)
        return data

    def read_into(self, target: memoryview, within_s: float) -> None:
        """Fill the whole target.

        Raises
        ------
        PeerGone, TooSlow
        """
        self._limit(within_s)
        deadline = monotonic() + within_s
        filled, size = 0, len(target)
        while filled < size:
            try:
                count = self._socket.recv_into(target[filled:], 0, self._flags)
            except (BlockingIOError, TimeoutError) as error:
                raise TooSlow("peer was silent for too long") from error
            except OSError as error:
                raise PeerGone("connection was lost") from error
            if not count:
                raise PeerGone("peer closed the connection")
            filled += count
            if filled < size and monotonic() >= deadline:
                raise TooSlow("peer is too slow")

    def send(self, data: bytes) -> None:
        """Send all.

        Raises
        ------
        PeerGone, TooSlow
        """
        try:
            self._socket.sendall(data)
        except (BlockingIOError, TimeoutError) as error:
            raise TooSlow("peer does not take our answer") from error
        except OSError as error:
            raise PeerGone("connection was lost") from error

    def cut(self) -> None:
        """End both directions now; a read in another thread returns at once."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close at once."""
        self._socket.close()

    def hang_up(self) -> None:
        """Close when the peer has closed, or after a moment: closing first may eat our last PDU."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            deadline = monotonic() + LINGER_S
            self._socket.settimeout(LINGER_S)
            drained = 0
            while drained < LINGER_BYTES and monotonic() < deadline:
                piece = self._socket.recv(65536)
                if not piece:
                    break
                drained += len(piece)
        self.close()

    def _limit(self, seconds: float) -> None:
        if seconds == self._limit_s:
            return
        self._limit_s = seconds
        try:
            if self._is_tls:  # SSLSocket keeps its own time
                self._socket.settimeout(seconds)
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
        except OSError as error:
            raise PeerGone("connection was lost") from error


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return _TIMEVAL.pack(whole, max(int((seconds - whole) * 1e6), 0 if whole else 1))
