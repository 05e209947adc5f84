"""Accept connections and give each a thread of its own; nothing a peer does can hold this up.

A connection gets its thread when its first message is here (`daemon.intake.association.lobby`).
"""

import logging
import os
import selectors
import socket
from collections.abc import Callable
from threading import Thread

from daemon.ending import end_process
from daemon.errors import Misconfigured, Unavailable
from daemon.intake.association.connections import Connections
from daemon.intake.association.lobby import Guest, Lobby, length_of_hello, length_of_request
from daemon.intake.association.wire import Wire
from daemon.intake.store.counts import Counts
from daemon.logs import ANY_HOST, peer_host
from daemon.settings import ReceiverSettings
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
    limits : ReceiverSettings
        How long a peer may take for its first message, and for what we send.
    """

    def __init__(
        self,
        listening: socket.socket,
        connections: Connections,
        counts: Counts,
        serve: Serve,
        limits: ReceiverSettings,
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._counts = counts
        self._serve = serve
        self._selector = selectors.DefaultSelector()
        length = length_of_hello if limits.tls_certificate else length_of_request
        self._lobby = Lobby(self._selector, length, limits.association_timeout_s)
        self._send_within_s = limits.network_timeout_s
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
        with self._selector as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            is_wanted = True
            while is_wanted:
                for key, _events in selector.select(self._lobby.until_next_s()):
                    if key.fd == self._wake:
                        is_wanted = False
                    elif isinstance(key.data, Guest):
                        self._attend(key.data)
                    else:
                        self._accept()
                self._see_out()
            for guest in self._lobby.empty():
                self._drop(guest.wire)

    def _accept(self) -> None:
        try:
            connection, address = self._listening.accept()
        except BlockingIOError:  # another process was faster
            return
        except OSError as error:  # no descriptors left, or the peer has gone already
            logger.warning(
                "cannot accept a connection: %s", error.strerror, extra={"host": ANY_HOST}
            )
            self._selector.unregister(self._listening)
            self._selector.select(_OUT_OF_DESCRIPTORS_PAUSE_S)
            self._selector.register(self._listening, selectors.EVENT_READ)
            return
        self._admit(connection, str(address[0]))

    def _admit(self, connection: socket.socket, host: str) -> None:
        """Let a connection wait for its first message; one that cannot is closed."""
        wire = None
        try:
            wire = Wire(connection, self._send_within_s)
            self._lobby.enter(wire, host)
        except OSError as error:  # the peer has gone
            self._not_served(error, host)
            connection.close()
            return
        crowded_out = self._connections.enter(wire, host)
        if crowded_out is not None:
            self._counts.add(Signal.CUT_HALF_OPEN)
            if self._lobby.leave(crowded_out):
                crowded_out.close()
            else:
                crowded_out.cut()

    def _attend(self, guest: Guest) -> None:
        """Give a connection its thread once its first message is here."""
        wire, host = guest.wire, guest.host
        try:
            if not self._lobby.may_go_on(guest):
                return
            self._lobby.leave(wire)
            wire.wake_at(1)
            Thread(target=self._run, args=(wire, host), name="association", daemon=True).start()
        except (OSError, RuntimeError) as error:  # the peer has gone; no thread can be started
            self._not_served(error, host)
            self._lobby.leave(wire)
            self._drop(wire)

    def _see_out(self) -> None:
        """Close connections whose first message takes too long (PS3.8 9.2.3, ARTIM timer)."""
        for guest in self._lobby.late():
            self._counts.add(Signal.CUT_SILENT)
            logger.warning("connection closed: no request came", extra={"host": guest.host})
            self._drop(guest.wire)

    def _drop(self, wire: Wire) -> None:
        self._connections.leave(wire)
        wire.close()

    def _not_served(self, error: Exception, host: str) -> None:
        logger.error("connection not served: %s", type(error).__name__, extra={"host": host})
        self._counts.add(Signal.CONNECTIONS_NOT_SERVED)

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
