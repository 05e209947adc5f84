"""A hostile peer gets a few lines of the log a minute; all others keep theirs."""

import io
import logging
import subprocess
import sys

import pytest

from daemon import logs
from daemon.quota import Quota
from tests.benchmarks.blast import Peer, associate_rq
from tests.support.receiving import LIMITS, House
from tests.support.tools import wait_until

VERIFICATION = {("1.2.840.10008.1.1", "1.2.840.10008.1.2"): 1}
HOSTILE, HONEST = "127.0.0.2", "127.0.0.1"
MANY = 300
MINUTE_S = 3.0
NONSENSE = (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 40, associate_rq("NOBODY", VERIFICATION, "FORGER"))


@pytest.fixture
def written():
    """What is written while a minute has three seconds."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure("INFO", "text")
    formatter = root.handlers[0].formatter
    root.handlers[:] = [logs.Limited(stream, Quota(logs.MOST_A_MINUTE, MINUTE_S))]
    root.handlers[0].setFormatter(formatter)
    yield stream
    root.handlers[0].close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def said(stream, host):
    return [line for line in stream.getvalue().splitlines() if f"host={host}" in line]


def attack(port, source):
    for number in range(MANY):
        peer = Peer(port, source=source)
        peer.send(NONSENSE[number % len(NONSENSE)])
        peer.read()
        peer.socket.close()


def test_a_hostile_peer_makes_a_few_lines_and_then_a_count(tmp_path, written):
    with House(tmp_path / "state", LIMITS) as house:
        attack(house.receiver.port, HOSTILE)
        wait_until(lambda: "more like it" in written.getvalue(), "the count")
        stranger = Peer(house.receiver.port, source=HONEST)
        assert stranger.associate(associate_rq("WRISTD", VERIFICATION, "STRANGER")) == 3
        stranger.socket.close()
        logging.getLogger("daemon.delivery").warning("another room")
    logging.getLogger().handlers[0].close()
    lines = said(written, HOSTILE)
    counts = [int(line.split(": ")[-1].split()[0]) for line in lines if "more like it" in line]
    windows = len(counts)
    assert len(lines) <= windows * (logs.MOST_A_MINUTE + 1)
    assert sum(counts) + len(lines) - windows == MANY
    assert len(said(written, HONEST)) == 1
    assert "another room" in written.getvalue()
    assert house.counters["cut_protocol_violation"] == MANY * 2 // 3
    assert house.counters["rejected_associations"] == MANY // 3 + 1


BROKEN_LISTENER = """
import socket, threading
from daemon import logs
from daemon.intake.association.connections import Connections
from daemon.intake.association.listener import Listener
from daemon.settings import ReceiverSettings


class Broken(socket.socket):
    def accept(self):
        raise MemoryError


logs.configure("INFO", "text")
listening = Broken()
listening.bind(("127.0.0.1", 0))
listening.listen()
Listener(listening, Connections(1, 1, 1), None, None, ReceiverSettings()).start()
socket.create_connection(listening.getsockname())
threading.Event().wait(30)
"""


def test_a_receiver_that_hears_nobody_any_more_ends_its_process():
    done = subprocess.run(
        [sys.executable, "-c", BROKEN_LISTENER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 70
    assert "nobody can connect any more: this process ends" in done.stderr
