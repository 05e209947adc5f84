"""The HTTP sessions that DICOMweb goes over: every answer has an end, and every session can be cut.

A timeout of requests is one for each read of the socket: a peer that drips a byte at a time keeps
it waiting for ever. Here the connection is remembered when it is made, and shut down by a watch
when a step takes too long.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from threading import Condition, Event, Lock, Thread
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from daemon.errors import Unavailable

LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
"""Where no images are asked for."""
_STEP_BYTES = 64 * 1024
"""Of a body, so many bytes have to come within the timeout."""


class TooLarge(requests.RequestException):
    """The answer is longer than any that was asked for."""


class Watch:
    """Shuts the connections of one session down when a step of it takes too long.

    One step at a time; `cut` may be called by any thread.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._sockets: list[socket.socket] = []
        self._end: float | None = None
        self._is_over = False
        self._change = Condition()
        self._thread = Thread(target=self._run, name="web watch", daemon=True)
        self._thread.start()

    def holds(self, connection: socket.socket) -> None:
        """Remember a connection; one that replaces another takes its place."""
        with self._change:
            self._sockets = [one for one in self._sockets if one.fileno() >= 0]
            self._sockets.append(connection)
            if self._is_over:
                _shut(connection)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Give a step its time."""
        self._until(monotonic() + self._timeout_s)
        try:
            yield
        finally:
            self._until(None)

    def cut(self) -> None:
        """Shut down what is open, and whatever is opened from now on."""
        with self._change:
            self._is_over = True
            self._change.notify()
            for one in self._sockets:
                _shut(one)

    def end(self) -> None:
        """End the thread."""
        self.cut()
        self._thread.join()

    def _until(self, end: float | None) -> None:
        with self._change:
            self._end = end
            self._change.notify()

    def _run(self) -> None:
        with self._change:
            while not self._is_over:
                if self._end is not None and self._end <= monotonic():
                    self._end = None
                    for one in self._sockets:
                        _shut(one)
                wait_s = None if self._end is None else max(0.0, self._end - monotonic())
                self._change.wait(wait_s)


class WebSession(requests.Session):
    """An HTTP session whose answers are whole, and bounded, when they are handed out.

    Parameters
    ----------
    timeout_s : float
        Longest time for connecting, for each piece of a request, for the head of an answer, and for
        each 64 KiB of its body.
    largest_answer_bytes : int
    """

    def __init__(self, timeout_s: float, largest_answer_bytes: int) -> None:
        super().__init__()
        self.authority: str = ""
        self.ours: tuple[str, str] | None = None
        self._timeout_s = timeout_s
        self.watch = Watch(timeout_s)
        adapter = _Adapter(self.watch, largest_answer_bytes)
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)

    @override
    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request."""
        options["timeout"] = self._timeout_s
        if self.authority:  # what the environment says does not count here
            options |= {"verify": self.authority, "cert": self.ours}
        return super().send(request, **options)

    @override
    def close(self) -> None:
        super().close()
        self.watch.end()


@dataclass(eq=False)
class WebCaller:
    """Opens sessions in our name.

    Attributes
    ----------
    timeout_s : float
    authority : str
        File of the authority for peers with `tls`.
    ours : (str, str) or None
        Files of our certificate and key, shown to peers with `tls`.
    stopping : Event
        Set when the daemon stops: nothing new is to be begun.
    """

    timeout_s: float
    authority: str = ""
    ours: tuple[str, str] | None = None
    stopping: Event = field(default_factory=Event)
    _open: set[WebSession] = field(default_factory=set, init=False)
    _is_closed: bool = field(default=False, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    @contextmanager
    def session(
        self, *, tls: bool, largest_answer_bytes: int = LARGEST_ANSWER_BYTES
    ) -> Iterator[WebSession]:
        """Give a session.

        Parameters
        ----------
        tls : bool
            Whether our certificate is shown and our authority asked, not the public ones.
        largest_answer_bytes : int

        Raises
        ------
        Unavailable
            The daemon is stopping.
        """
        with self._lock:
            if self._is_closed:
                raise Unavailable("this node is stopping")
            session = WebSession(self.timeout_s, largest_answer_bytes)
            self._open.add(session)
        if tls:
            session.authority, session.ours = self.authority, self.ours
        try:
            yield session
        finally:
            session.close()
            with self._lock:
                self._open.discard(session)

    def hang_up(self) -> None:
        """Cut every session, and open no more."""
        with self._lock:
            self._is_closed = True
            sessions = list(self._open)
        for session in sessions:
            session.watch.cut()


class _Watched(HTTPConnection):
    watch: Watch

    @override
    def connect(self) -> None:
        super().connect()
        self.watch.holds(self.sock)

    @override
    def send(self, data: Any) -> None:
        with self.watch.step():
            super().send(data)

    @override
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
        with self.watch.step():
            return super().getresponse()


class _WatchedTls(_Watched, HTTPSConnection):
    """The same under TLS."""


class _Adapter(HTTPAdapter):
    """Makes connections that a watch knows, and reads each answer to its end."""

    def __init__(self, watch: Watch, largest_answer_bytes: int) -> None:
        self._watch = watch
        self._largest_answer_bytes = largest_answer_bytes
        super().__init__(max_retries=0)

    @override
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        plain = type("Plain", (_Watched,), {"watch": self._watch})
        secured = type("Secured", (_WatchedTls,), {"watch": self._watch})
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecuredPool", (HTTPSConnectionPool,), {"ConnectionCls": secured}),
        }

    @override
    def build_response(self, req: Any, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        response.raw = BytesIO(self._body(resp))
        return response

    def _body(self, answer: HTTPResponse) -> bytes:
        body = bytearray()
        try:
            while True:
                with self._watch.step():
                    piece = answer.read(_STEP_BYTES, decode_content=True)
                if not piece:
                    return bytes(body)
                body += piece
                if len(body) > self._largest_answer_bytes:
                    break
        except (HTTPError, OSError) as error:
            raise requests.ConnectionError("the answer broke off") from error
        finally:
            answer.close()
        raise TooLarge("the answer is too long")


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # SSLSocket.shutdown would go over to plain text
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
