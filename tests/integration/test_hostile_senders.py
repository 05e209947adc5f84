"""Clients that idle, drip, flood or talk nonsense: others are served, and nothing leaks."""

import contextlib
import gc
import os
import resource
import socket
import threading
import time

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.sop_class import Verification

from daemon.intake.association.negotiate import MAX_REQUEST_BYTES
from daemon.intake.association.pdu import Rejection, reject
from tests.benchmarks.blast import (
    Item,
    Peer,
    associate_rq,
    data_pdu,
    element,
    pdv,
    store_command,
    store_pdus,
)
from tests.support.objects import dx
from tests.support.receiving import LIMITS, PICTURE, House, raw
from tests.support.tools import wait_until

QUICK = LIMITS.model_copy(
    update={
        "association_timeout_s": 2.0,
        "message_timeout_s": 2.0,
        "network_timeout_s": 3.0,
        "max_half_open": 4,
        "max_associations": 8,
    }
)
DX = "1.2.840.10008.5.1.4.1.1.1.1"
CONTEXTS = {(DX, str(ExplicitVRLittleEndian)): 1}
REQUEST = associate_rq("WRISTD", CONTEXTS, "MODALITY")
ABORT, ANSWERED = 7, 2
DRIPS_S = 30.0


@pytest.fixture
def house(tmp_path):
    with House(tmp_path / "state", QUICK) as opened:
        assert opened.send(dx(PICTURE, number=98)) == [0x0000]  # opens what stays open
        wait_until(lambda: associations() == 0, "the first sender to leave")
        opened.baseline = resources()
        yield opened


def resources():
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def associations():
    return sum(thread.name == "association" for thread in threading.enumerate())


def item(number=1):
    offer = raw(dx(PICTURE, number=number))
    return Item(
        offer.sop_class_uid, str(ExplicitVRLittleEndian), offer.sop_instance_uid, offer.data_set
    )


def established(house):
    peer = Peer(house.receiver.port)
    assert peer.associate(REQUEST) == ANSWERED
    return peer


def is_ended(peer, within_s=30.0):
    """Whether the other side closed, or aborted and closed, in time."""
    peer.socket.settimeout(within_s)
    with contextlib.suppress(ConnectionError):
        while peer.socket.recv(65536):
            pass
    return True


def assert_unharmed(house):
    """An honest sender is served at once, and in the end all threads and files are given back."""
    begun = time.monotonic()
    assert house.send(dx(PICTURE, number=99)) == [0x0000]
    assert time.monotonic() - begun < 10.0


def assert_nothing_leaks(house):
    wait_until(lambda: resources() <= house.baseline, f"{house.baseline}")


def test_idle_connections_cost_others_nothing(house):
    idle = [Peer(house.receiver.port) for _ in range(200)]
    assert_unharmed(house)
    assert all(is_ended(peer) for peer in idle)
    for peer in idle:
        peer.socket.close()
    assert_nothing_leaks(house)


@pytest.mark.parametrize(
    "start", [b"\1\0\0", REQUEST[:-1], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 6]
)
def test_half_a_request_or_nonsense_is_cut(house, start):
    peer = Peer(house.receiver.port)
    peer.send(start)
    assert_unharmed(house)
    assert is_ended(peer)
    peer.socket.close()
    assert_nothing_leaks(house)


@pytest.mark.parametrize("said", [b"", b"\1", REQUEST[:6], REQUEST[:-1]])
def test_a_client_whose_request_is_not_whole_costs_no_thread(house, said):
    peer = Peer(house.receiver.port)
    peer.send(said)
    assert_unharmed(house)
    wait_until(lambda: associations() == 0, "the honest sender to leave")
    assert is_ended(peer)
    wait_until(lambda: house.ledger.counters().get("cut_silent") == 1, "its ending to be counted")
    peer.socket.close()
    assert_nothing_leaks(house)


@pytest.mark.parametrize("said", [b"", b"\1", REQUEST[:6], REQUEST[:-1]])
def test_a_client_that_hangs_up_within_its_request_is_let_go_at_once(house, said):
    peer = Peer(house.receiver.port)
    peer.send(said)
    peer.socket.shutdown(socket.SHUT_WR)
    begun = time.monotonic()
    assert is_ended(peer)
    assert time.monotonic() - begun < QUICK.association_timeout_s / 2
    peer.socket.close()
    assert_nothing_leaks(house)


def test_a_request_that_comes_in_pieces_is_served(house):
    peer = Peer(house.receiver.port)
    for piece in (REQUEST[:3], REQUEST[3:40], REQUEST[40:]):
        peer.send(piece)
        threading.Event().wait(0.1)
    assert peer.read()[0] == ANSWERED
    peer.socket.close()


def test_waiting_for_the_rest_of_a_request_takes_no_cpu(house):
    peer = Peer(house.receiver.port)
    peer.send(REQUEST[:-1])
    before = time.process_time()
    threading.Event().wait(1.0)
    assert time.process_time() - before < 0.5
    peer.socket.close()


def test_half_a_pdu_and_silence_is_cut_and_leaves_no_half_file(house):
    peer = established(house)
    whole = store_pdus(item(), 1, 16384)
    peer.send(whole[: len(whole) // 2])
    assert_unharmed(house)
    assert is_ended(peer)
    peer.socket.close()
    assert_nothing_leaks(house)
    assert len(house.spooled()) == 2


def test_an_association_that_says_nothing_is_aborted(house):
    peer = established(house)
    assert peer.read()[0] == ABORT
    peer.socket.close()
    assert_nothing_leaks(house)


def test_a_byte_now_and_then_within_a_pdu_is_cut(house):
    peer = established(house)
    peer.send(b"\4\0\0\0\x3e\x80")
    begun, pause = time.monotonic(), threading.Event()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - begun < DRIPS_S:
            peer.send(b"\0")
            pause.wait(0.2)
    assert time.monotonic() - begun < DRIPS_S
    assert_unharmed(house)
    peer.socket.close()
    assert_nothing_leaks(house)


def test_an_object_in_small_drops_is_cut_by_its_pace(tmp_path):
    slow = QUICK.model_copy(update={"min_bytes_per_s": 10_000, "message_timeout_s": 0.5})
    with House(tmp_path, slow) as house:
        peer = established(house)
        peer.send(data_pdu(pdv(1, 3, store_command(item()))))
        begun, pause = time.monotonic(), threading.Event()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < DRIPS_S:
                peer.send(data_pdu(pdv(1, 0, b"\0" * 100)))
                pause.wait(0.1)
        assert time.monotonic() - begun < DRIPS_S
        assert house.spooled() == []
    assert house.counters["cut_too_slow"] == 1


@pytest.mark.parametrize("claimed", [1 << 30, MAX_REQUEST_BYTES + 1])
def test_a_request_that_claims_too_much_is_cut_before_it_is_read(house, claimed):
    peer = Peer(house.receiver.port)
    peer.send(b"\1\0" + claimed.to_bytes(4, "big"))
    sent = 0
    with contextlib.suppress(OSError):
        peer.socket.settimeout(3)
        while sent < 200 << 20:
            peer.send(bytes(1 << 20))
            sent += 1 << 20
    assert sent < 64 << 20
    assert_unharmed(house)
    peer.socket.close()
    assert_nothing_leaks(house)


def test_a_pdu_beyond_the_negotiated_length_is_aborted(house):
    peer = established(house)
    peer.send(b"\4\0" + (100 << 20).to_bytes(4, "big"))
    assert peer.read()[0] == ABORT
    peer.socket.close()
    assert_nothing_leaks(house)


def test_an_object_without_end_is_answered_or_cut_and_not_kept(tmp_path):
    small = QUICK.model_copy(update={"max_object_bytes": 1 << 20})
    with House(tmp_path, small) as house:
        peer = established(house)
        peer.send(data_pdu(pdv(1, 3, store_command(item()))))
        piece, sent = data_pdu(pdv(1, 0, bytes(100_000))), 0
        with contextlib.suppress(OSError):
            peer.socket.settimeout(5)
            while sent < 100 << 20:
                peer.send(piece)
                sent += len(piece)
        assert sent < 50 << 20
        assert house.spooled() == []
        assert_unharmed(house)


@pytest.mark.slow
def test_two_gigabytes_are_cut_and_cost_no_memory(tmp_path):
    with House(tmp_path) as house:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peer = established(house)
        peer.send(data_pdu(pdv(1, 3, store_command(item()))))
        piece, sent = data_pdu(pdv(1, 0, bytes(131_000))), 0
        with contextlib.suppress(OSError):
            while sent < 2 << 30:
                peer.send(piece)
                sent += len(piece)
        assert sent <= 2 * LIMITS.max_object_bytes + (64 << 20)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
        assert house.spooled() == []
        assert_unharmed(house)


def test_too_many_associations_are_rejected_and_later_ones_served(tmp_path):
    with House(tmp_path, QUICK.model_copy(update={"network_timeout_s": 60.0})) as house:
        held = [established(house) for _ in range(8)]
        late = Peer(house.receiver.port)
        late.send(REQUEST)
        assert late.read() == reject(Rejection.LOCAL_LIMIT)
        for peer in (late, *held):
            peer.socket.close()
        wait_until(lambda: associations() == 0, "the associations to end")
        assert_unharmed(house)


def test_one_address_may_not_take_every_association(tmp_path):
    fair = QUICK.model_copy(update={"max_associations_per_peer": 2})
    with House(tmp_path, fair) as house:
        greedy = [Peer(house.receiver.port, source="127.0.0.2") for _ in range(3)]
        assert [peer.associate(REQUEST) for peer in greedy] == [2, 2, 3]
        assert_unharmed(house)


def test_a_crowd_from_one_address_does_not_cut_the_slow_one_from_another(tmp_path):
    patient = QUICK.model_copy(update={"association_timeout_s": 20.0})
    with House(tmp_path, patient) as house:
        slow = Peer(house.receiver.port)
        slow.send(REQUEST[:40])
        crowd = [Peer(house.receiver.port, source="127.0.0.2") for _ in range(40)]
        assert is_ended(crowd[0])
        slow.send(REQUEST[40:])
        assert slow.read()[0] == ANSWERED
        for peer in (slow, *crowd):
            peer.socket.close()


def test_a_flood_of_connections_is_survived(house):
    for _ in range(10):
        flood = [Peer(house.receiver.port) for _ in range(20)]
        for peer in flood:
            peer.socket.close()
    assert_unharmed(house)
    assert_nothing_leaks(house)


def test_senders_that_leave_in_the_middle_leave_nothing(house):
    for number in range(10):
        peer = established(house)
        peer.send(store_pdus(item(), 1, 16384)[: 300 * number + 100])
        peer.socket.close()
    assert_unharmed(house)
    assert_nothing_leaks(house)
    assert len(house.spooled()) == 2


def test_a_peer_that_never_reads_its_answers_is_let_go(tmp_path):
    with House(tmp_path, QUICK) as house:
        contexts = {(str(Verification), "1.2.840.10008.1.2"): 1}
        peer = Peer(house.receiver.port)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert peer.associate(associate_rq("WRISTD", contexts, "MODALITY")) == ANSWERED
        echo = data_pdu(pdv(1, 3, _echo()))
        peer.socket.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                peer.send(echo)
        assert_unharmed(house)
        peer.socket.close()


def _echo():
    body = (
        element(0x0002, str(Verification).encode())
        + element(0x0100, b"\x30\0")
        + element(0x0110, b"\1\0")
        + element(0x0800, b"\1\1")
    )
    return element(0, len(body).to_bytes(4, "little")) + body


def test_an_honest_association_survives_all_of_it(house):
    association = house.modality.associate([build_context(Verification)])
    for peer in [Peer(house.receiver.port) for _ in range(10)]:
        peer.send(np.random.default_rng(1).bytes(500))
        peer.socket.close()
    assert association.send_c_echo().Status == 0x0000
    association.release()
