"""Accept connections and give each a thread of its own; nothing a peer does can hold this up."""

import logging
import os
import selectors
import socket
from collections.abc import Callable
from threading import Thread

from daemon.ending import end_process
from daemon.errors import Misconfigured, Unavailable
from daemon.intake.association.connections import Connections
from daemon.intake.association.wire import Wire
from daemon.intake.store.counts import Counts
from daemon.logs import ANY_HOST, peer_host
from daemon.signals import Signal

logger = logging.getLogger(__name__)

BACKLOG = 512
_OUT_OF_DESCRIPTORS_PAUSE_S = 0.2

Serve = Callable[[Wire, str], None]
"""Serves one connection, from that host, to its end."""


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket.

    Raises
    ------
    Misconfigured
        The address cannot be listened on.
    """
    try:
        listening = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        raise Misconfigured(
            f"receiver: cannot listen on {host} port {port}: {error.strerror}"
        ) from error
    listening.setblocking(False)
    return listening


class Listener:
    """The accept loop.

    Parameters
    ----------
    listening : socket
        From `listen`; several processes may share it.
    connections : Connections
    counts : Counts
    serve : callable
        Unavailable of it means that the peer failed to come under TLS.
    send_within_s : float
        Longest wait for a peer to take what we send.
    """

    def __init__(
        self,
        listening: socket.socket,
        connections: Connections,
        counts: Counts,
        serve: Serve,
        send_within_s: float,
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._counts = counts
        self._serve = serve
        self._send_within_s = send_within_s
        self._wake, self._waker = os.pipe()
        self._thread = Thread(target=self._listen, name="listener", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Accept no more, and close the listening socket."""
        os.write(self._waker, b"\0")
        self._thread.join()
        self._listening.close()
        os.close(self._wake)
        os.close(self._waker)

    def _listen(self) -> None:
        try:
            self._accept_all()
        except Exception:  # whatever it was: nobody would be heard any more
            logger.critical("nobody can connect any more: this process ends", exc_info=True)
            end_process()

    def _accept_all(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                ready = [key.fd for key, _events in selector.select()]
                if self._wake in ready:
                    return
                try:
                    connection, address = self._listening.accept()
                except BlockingIOError:  # another process was faster
                    continue
                except OSError as error:  # no descriptors left, or the peer has gone already
                    logger.warning(
                        "cannot accept a connection: %s", error.strerror, extra={"host": ANY_HOST}
                    )
                    selector.unregister(self._listening)
                    selector.select(_OUT_OF_DESCRIPTORS_PAUSE_S)
                    selector.register(self._listening, selectors.EVENT_READ)
                    continue
                self._admit(connection, str(address[0]))

    def _admit(self, connection: socket.socket, host: str) -> None:
        """Give a connection its thread; one that cannot have any is closed, and others go on."""
        wire = None
        try:
            wire = Wire(connection, self._send_within_s)
            if self._connections.enter(wire, host):
                self._counts.add(Signal.CUT_HALF_OPEN)
            Thread(target=self._run, args=(wire, host), name="association", daemon=True).start()
        except (OSError, RuntimeError) as error:  # the peer has gone; no thread can be started
            kind = type(error).__name__
            logger.error("connection not served: %s", kind, extra={"host": host})  # noqa: TRY400
            self._counts.add(Signal.CONNECTIONS_NOT_SERVED)
            if wire is not None:
                self._connections.leave(wire)
            connection.close()

    def _run(self, wire: Wire, host: str) -> None:
        peer_host.set(host)
        try:
            self._serve(wire, host)
        except Unavailable as error:
            self._counts.add(Signal.REJECTED_TLS)
            logger.warning("connection refused: %s", error)
            wire.close()
        except Exception:  # a defect of ours costs this association, not the receiver
            logger.exception("association failed")
            wire.close()
        finally:
            self._connections.leave(wire)
