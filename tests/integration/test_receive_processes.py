"""Several receiver processes on one port: one that dies is replaced, all end with the daemon."""

import os
import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from daemon.assembly.sweep import Sweep
from daemon.calling.scu import Caller
from daemon.clock import utc_now
from daemon.commitment.dimse_n import asking
from daemon.commitment.transaction import CommitmentRequest, request_data
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.promises import Promises
from daemon.settings import Assembly
from tests.benchmarks.blast import Item, Peer, associate_rq, store_pdus
from tests.support.fakes import FrozenClock, to_wrist
from tests.support.objects import Exam, dx
from tests.support.opening import describe_here
from tests.support.receiving import LIMITS, PACS, PICTURE, House, raw
from tests.support.tools import wait_until


def children():
    """Return our receiver processes."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(parent) == os.getpid() and b"daemon.receiving" in command:
                found.add(int(entry.name))
    return found


@pytest.fixture
def house(tmp_path):
    with House(tmp_path / "state", LIMITS.model_copy(update={"processes": 2})) as opened:
        wait_until(lambda: len(children()) == 2, "two children")
        yield opened
    assert children() == set()


def test_they_share_the_port_and_the_ledger(house):
    for number in range(6):
        assert house.send(dx(PICTURE, exam=Exam(study=str(number)))) == [0x0000]
    assert len(house.ledger.files()) == len(house.spooled()) == 6
    assert house.send(dx(PICTURE, exam=Exam(study="0"))) == [0x0000]
    assert len(house.ledger.files()) == 6


def test_one_that_dies_is_replaced_and_what_it_acknowledged_is_there(house):
    assert house.send(dx(PICTURE)) == [0x0000]
    before = children()
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len(children() - before) == 1, "another child")
    assert house.send(dx(PICTURE, number=2)) == [0x0000]
    assert len(house.ledger.files()) == 2


def test_a_child_notes_who_asks_for_storage_commitment(tmp_path):
    limits = LIMITS.model_copy(update={"processes": 1, "callers": (PACS.ae_title,)})
    with House(tmp_path / "state", limits) as house:
        wait_until(lambda: len(children()) == 1, "the child")
        node = PACS.model_copy(update={"ae_title": "WRISTD", "port": house.receiver.port})
        with asking(Caller(PACS.ae_title, 10.0), node, lambda *_report: None) as ask:
            assert ask(request_data(CommitmentRequest("1.2.3", {"1.2.3.4": "1.2.3.5"}))) == 0x0000
        [noted] = Promises(house.ledger).due(utc_now() + timedelta(days=1))
    assert (noted.calling_ae, noted.transaction_uid) == ("PACS", "1.2.3")


def begin_slowly(house):
    """Send one image whole and the next one by half; return what is left, and the study."""
    first, second = (dx(PICTURE, number=number) for number in (1, 2))
    syntax = str(first.file_meta.TransferSyntaxUID)
    peer = Peer(house.receiver.port)
    peer.associate(associate_rq("WRISTD", {(str(first.SOPClassUID), syntax): 1}, "MODALITY"))
    whole, halved = (
        store_pdus(
            Item(str(one.SOPClassUID), syntax, str(one.SOPInstanceUID), raw(one).data_set), 1, 4096
        )
        for one in (first, second)
    )
    peer.send(whole)
    assert peer.status() == 0x0000
    peer.send(halved[: len(halved) // 2])
    return peer, halved[len(halved) // 2 :], str(first.StudyInstanceUID)


def test_a_study_waits_for_an_image_that_is_on_the_wire_in_a_child(house):
    queue, clock = Queue(house.ledger), FrozenClock(utc_now() + timedelta(seconds=60))
    sweep = Sweep(
        house.ledger,
        queue,
        Assembly(quiet_period_s=1.0, hard_cap_s=900.0),
        {"wrist": "recipe"},
        to_wrist,
        clock,
        house.place.spool,
        describe_here,
        house.receiver.being_sent,
    )
    peer, rest, study = begin_slowly(house)
    wait_until(lambda: house.receiver.being_sent() == {study}, "the second image")
    sweep.assemble()
    assert len(house.ledger.waiting()) == 1
    peer.send(rest)
    assert peer.status() == 0x0000
    wait_until(lambda: house.receiver.being_sent() == set(), "the end of the second image")
    sweep.assemble()
    clock.advance(2.0)
    sweep.assemble()
    assert len(queue.claim("w", clock.steady(), timedelta(seconds=60)).instances) == 2
    peer.release()


def test_a_child_that_does_not_answer_counts_as_sent_nothing_and_that_is_said(house, caplog):
    peer, _rest, study = begin_slowly(house)
    wait_until(lambda: house.receiver.being_sent() == {study}, "the second image")
    stopped = children()
    for child in stopped:
        os.kill(child, signal.SIGSTOP)
    begun = time.monotonic()
    assert house.receiver.being_sent() == set()
    assert time.monotonic() - begun < 5
    assert house.receiver.being_sent() == set()
    said = [record.message for record in caplog.records]  # one that has just begun may be silent
    assert said
    assert all(one.endswith("does not say what it is being sent") for one in said)
    for child in stopped:
        os.kill(child, signal.SIGCONT)
    wait_until(lambda: house.receiver.being_sent() == {study}, "an answer")
    peer.socket.close()


def processors_of(process):
    """Return on how many processors each thread of a process may run."""
    counts = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(ProcessLookupError):  # it has just ended
            counts.append(len(os.sched_getaffinity(int(thread.name))))
    return counts


def pinned():
    """Return how many threads of all receiver processes keep to one processor."""
    return sum(processors_of(child).count(1) for child in children())


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_associations_that_are_not_alone_keep_to_one_processor(house):
    request = associate_rq(
        "WRISTD", {(str(Verification), str(ImplicitVRLittleEndian)): 1}, "MODALITY"
    )
    peers = [Peer(house.receiver.port) for _ in range(3)]  # two processes: one has two of them
    assert [peer.associate(request) for peer in peers] == [2, 2, 2]
    wait_until(lambda: pinned() >= 1, "an association on one processor")
    assert all(max(processors_of(child)) > 1 for child in children()), "the others roam"
    for peer in peers:
        peer.release()
    wait_until(lambda: pinned() == 0, "the end of their threads")
