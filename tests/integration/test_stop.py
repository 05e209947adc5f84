"""SIGTERM behind whatever hangs: the daemon is gone in time, and the next start goes on."""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest

from daemon.settings import Place
from tests.archives.archive import HostileArchive, stores
from tests.archives.behaviours import BEHAVIOURS
from tests.support.fakes import Modality
from tests.support.node import running_daemon
from tests.support.objects import Exam, Patient, study_of
from tests.support.phantoms import wrist
from tests.support.processes import decoders
from tests.support.tools import wait_until

HANGING = (
    "mute-after-connect",
    "mute-after-request",
    "drips-acceptance",
    "drips-answer",
    "stops-reading",
)
TIMES = {}


@contextmanager
def stopped(what, folder, archives):
    """Run the daemon; at the end it has to leave with exit code 0 within ten seconds."""
    with running_daemon(folder, archives) as node:
        yield node
        begun = time.monotonic()
    TIMES[what] = round(time.monotonic() - begun, 1)


def send(node, name):
    """Send a study of one image; returns its UID."""
    exam = Exam(Patient(f"DRAWN^{name}", name), study=name)
    assert deliver(node, exam) == [0]
    return exam.study_uid


def deliver(node, exam):
    modality = Modality(node.port, called=node.ae_title)
    objects = study_of([("PA", wrist(spacing_mm=0.4))], exam)
    return [answer.get("Status") for answer in modality.send(*objects)]


@pytest.fixture
def archives():
    with contextlib.ExitStack() as stack:
        hanging = [HostileArchive(name, BEHAVIOURS[name]) for name in HANGING]
        yield [stack.enter_context(one) for one in (HostileArchive("good", stores), *hanging)]


def test_the_daemon_leaves_within_ten_seconds_whatever_hangs(tmp_path, archives):
    good, *hanging = archives
    folder = tmp_path / "node"

    with stopped("archives that hang", folder, archives) as node:
        first = send(node, "ONE")
        wait_until(lambda: all(one.called.is_set() for one in hanging), "all to be called")
        wait_until(lambda: len(good.kept) >= 2, "the good archive to have results")
    for one in hanging:
        one.heal()

    with stopped("a decoder that hangs", folder, archives) as node:
        node.wait_for_outcomes([first])
        assert {frozenset(one.kept) for one in archives} == {frozenset(good.kept)}
        send(node, "TWO")
        wait_until(lambda: decoders(node.process.pid) != [], "a decoder")
        stopped_ones = decoders(node.process.pid)
        for pid in stopped_ones:
            os.kill(pid, signal.SIGSTOP)
        third = send(node, "THREE")
        wait_until(lambda: node.studies()[third]["state"] == "running", "the study to be read")
    assert [pid for pid in stopped_ones if is_alive(pid)] == []

    with stopped("a ledger that is locked", folder, archives) as node:
        node.wait_for_outcomes([third])
        assert {frozenset(one.kept) for one in archives} == {frozenset(good.kept)}
        locking = sqlite3.connect(Place(root=folder / "state").ledger, isolation_level=None)
        locking.execute("BEGIN IMMEDIATE")
        late = Exam(Patient("DRAWN^FOUR", "FOUR"), study="FOUR")
        sending = threading.Thread(target=try_to_deliver, args=(node, late), daemon=True)
        sending.start()
        threading.Event().wait(1.0)
    locking.close()
    sending.join(10.0)
    print(f"\nseconds to leave: {TIMES}")


def try_to_deliver(node, exam):
    with contextlib.suppress(Exception):
        deliver(node, exam)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
