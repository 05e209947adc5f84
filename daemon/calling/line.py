"""A TCP connection that we open, plain or TLS: every step has an end, and it can be cut."""

import errno
import os
import select
import socket
import ssl
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import Any

_LOOK_UP_S = 0.2


class Line:
    """One connection; `cut` and `close` may be called by any thread, the rest by one at a time.

    Parameters
    ----------
    timeout_s : float
        Longest time for connecting (all addresses of the host together), for the TLS handshake,
        and for each `receive` and `send` as a whole, however slowly bytes drip.
    """

    def __init__(self, timeout_s: float) -> None:
        self.address: tuple[str | tuple[str, int, int], int] = ("", 0)
        """Of the peer, as pynetdicom writes it; known once it is open."""
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._is_cut = False
        self._lock = Lock()

    @property
    def connection(self) -> socket.socket:
        """The socket.

        Raises
        ------
        ConnectionError
            There is none: not open yet, or closed.
        """
        if self._socket is None:
            raise ConnectionAbortedError("not open")
        return self._socket

    @property
    def is_secured(self) -> bool:
        """Whether it is under TLS."""
        return isinstance(self._socket, ssl.SSLSocket)

    def open(self, host: str, port: int) -> None:
        """Connect; OSError says why that failed."""
        end = monotonic() + self._timeout_s
        failure = OSError("host has no address")
        for family, kind, protocol, _name, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            try:
                one = self._hold(socket.socket(family, kind, protocol))
                self._connect(one, address, end)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                self.close()
                failure = error
            else:
                self.address = _as_pynetdicom(address), port
                return
        raise failure

    def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Go over to TLS as its client; the peer has to prove that it is `name`.

        OSError, mostly of the kind ssl.SSLError, says why that failed.
        """
        secured = context.wrap_socket(
            self.connection, server_hostname=name, do_handshake_on_connect=False
        )
        self._hold(secured)
        secured.settimeout(self._timeout_s)
        secured.do_handshake()

    def receive(self, size: int) -> bytearray:
        """Read this many bytes; fewer where the peer ends the connection. OSError: too slow."""
        data = bytearray(size)
        view, filled, end = memoryview(data), 0, monotonic() + self._timeout_s
        while filled < size:
            self.connection.settimeout(_left(end))
            count = self.connection.recv_into(view[filled:])
            if not count:
                return data[:filled]
            filled += count
        self._acknowledge_at_once()
        return data

    def send(self, data: bytes) -> None:
        """Send all of it; OSError: the peer is gone, or does not take it in time."""
        view, end = memoryview(data), monotonic() + self._timeout_s
        while view:
            self.connection.settimeout(_left(end))
            view = view[self.connection.send(view) :]
        self._acknowledge_at_once()

    def is_readable(self) -> bool:
        """Tell, without waiting, whether bytes came or the connection ended.

        By poll: select fails for descriptors from 1024 on.
        """
        connection = self.connection
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        if poll.poll(0):
            return True
        return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0

    def cut(self) -> None:
        """End the connection at once: whoever connects, reads or writes gets an end or an error."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with suppress(OSError):  # SSLSocket.shutdown would go over to plain text
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _connect(self, one: socket.socket, address: tuple[Any, ...], end: float) -> None:
        """Connect, looking up now and then: a socket that is not connected yet cannot be shut."""
        one.setblocking(False)
        code = one.connect_ex(address)
        poll = select.poll()
        poll.register(one, select.POLLOUT)
        while code == errno.EINPROGRESS:
            if self._is_cut:
                raise ConnectionAbortedError("cut")
            if poll.poll(min(_left(end), _LOOK_UP_S) * 1000):
                code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def _hold(self, one: socket.socket) -> socket.socket:
        """Make this the socket that `cut` ends."""
        with self._lock:
            self._socket = one
            if self._is_cut:
                raise ConnectionAbortedError("cut")
        return one

    def _acknowledge_at_once(self) -> None:
        """Ask the kernel not to delay its TCP acknowledgements; it forgets this after each use.

        Peers that answer in two small writes otherwise wait some 40 ms for each object (Nagle's
        algorithm at their side against the delayed acknowledgement at ours).
        """
        with suppress(OSError):
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _as_pynetdicom(address: tuple[Any, ...]) -> str | tuple[str, int, int]:
    """Return an IPv4 address as text, an IPv6 address with flow and scope."""
    host, _port, *rest = address
    return (host, rest[0], rest[1]) if rest else host


def _left(end: float) -> float:
    left = end - monotonic()
    if left <= 0:
        raise TimeoutError("too slow")
    return left
