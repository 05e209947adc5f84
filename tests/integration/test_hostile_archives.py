"""Archives that misbehave in many ways at once: none of them is felt by the others, or by us."""

import contextlib
import gc
import logging
import os
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from daemon.clock import Chronometer
from daemon.delivery.courier import Courier
from daemon.guarded import guarded
from daemon.ledger.jobs.decisions import Decisions
from daemon.settings import DeliverySettings
from tests.archives.archive import HostileArchive, stores
from tests.archives.behaviours import BEHAVIOURS, EXPECTED, PENDING
from tests.support.objects import dx, save
from tests.support.office import START, STUDY, Office, calling
from tests.support.processes import status
from tests.support.tools import wait_until

QUICK = DeliverySettings(first_delay_s=0.2, max_delay_s=0.5, timeout_s=1.0, give_up_after_s=1e6)
LARGE = 4 * 1024 * 1024
GETS_LARGE = ("good", "stops-reading", "reads-a-byte-at-a-time", "closes-in-mid-object")
GRACE_S, STOP_WITHIN_S = 0.5, 10.0


class Outbox(Office):
    """One small result for everybody; a large one, more than sockets hold, for some."""

    def _result(self, number):
        file = super()._result(number)
        if number == 1:
            return file
        image = dx(np.zeros((LARGE // 4096, 2048), np.uint16), number=number)
        save(image, self.root / file.file)
        return replace(file, destinations=GETS_LARGE)


class Delivering:
    """The couriers of a daemon, a thread each, until `stop`."""

    def __init__(self, office, archives):
        self.outgoing = calling(QUICK.timeout_s)
        self.begun = time.monotonic()
        self.office = office
        self.clock = Chronometer(lambda: START + timedelta(seconds=time.monotonic()))
        self.threads = [
            threading.Thread(target=self._deliver, args=(archive.destination(),), daemon=True)
            for archive in archives
        ]
        for thread in self.threads:
            thread.start()

    def _deliver(self, destination):
        office = self.office
        courier = Courier(
            destination, self.outgoing, office.deliveries, office.root, QUICK, self.clock
        )
        while not self.outgoing.stopping.is_set():
            if not guarded("delivery", lambda: courier.turn(self.clock.steady())):
                self.outgoing.stopping.wait(0.05)

    def stop(self):
        """Stop as the daemon does; returns how long it took."""
        begun = time.monotonic()
        self.outgoing.stopping.set()
        cutting = threading.Timer(GRACE_S, self.outgoing.hang_up)
        cutting.start()
        for thread in self.threads:
            thread.join(max(0.0, begun + STOP_WITHIN_S - time.monotonic()))
        assert [thread for thread in self.threads if thread.is_alive()] == []
        cutting.join()
        return time.monotonic() - begun


def resources():
    """Return the numbers of threads and of open sockets."""
    gc.collect()
    open_files = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            open_files.append(os.readlink(entry))  # noqa: PTH115 - of what is no file
    return threading.active_count(), sum(one.startswith("socket:") for one in open_files)


def size_from_here_kb():
    """Return the resident size, and have its peak counted from here: earlier tests have theirs."""
    Path("/proc/self/clear_refs").write_text("5")
    return status(os.getpid(), "VmRSS")


@pytest.fixture(autouse=True)
def quiet():
    logger = logging.getLogger("pynetdicom")  # as `daemon.logs` has it
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.fixture
def archives():
    with contextlib.ExitStack() as stack:
        hostile = [HostileArchive(name, play) for name, play in BEHAVIOURS.items()]
        yield [stack.enter_context(one) for one in (HostileArchive("good", stores), *hostile)]


@pytest.fixture
def office(tmp_path, archives):
    opened = Outbox(tmp_path, results=2, destinations=tuple(one.name for one in archives))
    yield opened
    opened.ledger.close()


def test_whatever_archives_do_the_others_get_everything_and_nothing_is_left_behind(
    office, archives
):
    assert len(BEHAVIOURS) >= 35
    good, *hostile = archives
    before = resources()
    rss_kb = size_from_here_kb()
    delivering = Delivering(office, archives)
    wait_until(lambda: office.states("good") == ["delivered"] * 2, "the good archive", 15)
    good_after_s = time.monotonic() - delivering.begun
    wait_until(lambda: all(tried(office, one) for one in hostile), "one try at each", 30)
    tried_after_s = time.monotonic() - delivering.begun
    stopped_after_s = delivering.stop()
    found = {one.name: office.rows(one.name)[0] for one in hostile}
    assert {name: row.state for name, row in found.items()} == EXPECTED
    assert all(row.detail for row in found.values() if row.state == PENDING)
    peak_kb = status(os.getpid(), "VmHWM")

    for one in hostile:
        one.heal()
    wait_until(lambda: gone_back(before), f"threads and sockets to go back to {before}", 15)
    decisions = Decisions(office.ledger)
    decisions.retry(decisions.find(STUDY), delivering.clock())
    healing = Delivering(office, archives)
    wait_until(
        lambda: all(set(office.states(one.name)) == {"delivered"} for one in archives),
        "every archive to have everything",
        30,
    )
    healed_after_s = time.monotonic() - healing.begun
    healing.stop()
    for one in archives:
        due = [file.sop_instance_uid for file in office.files if is_for(file, one)]
        assert sorted(one.kept) == sorted(due), one.name
        assert {len(contents) for contents in one.contents.values()} == {1}, one.name
    assert max(good.kept.values()) == 1
    wait_until(lambda: gone_back(before), f"threads and sockets to go back to {before}", 15)
    copies = Counter(max(one.kept.values()) for one in hostile)
    print(
        f"\n{len(hostile)} behaviours: the good archive had everything after {good_after_s:.1f} s, "
        f"all were tried after {tried_after_s:.1f} s, stopped in {stopped_after_s:.1f} s, "
        f"healed after {healed_after_s:.1f} s; copies {dict(copies)}; "
        f"RSS {rss_kb // 1024} -> {status(os.getpid(), 'VmRSS') // 1024} MB, "
        f"peak {peak_kb // 1024} MB"
    )
    assert peak_kb - rss_kb < 300 * 1024


def tried(office, archive):
    row = office.rows(archive.name)[0]
    return row.attempts > 0 and archive.associations > 0


def is_for(file, archive):
    return not file.destinations or archive.name in file.destinations


def gone_back(before):
    return all(now <= then for now, then in zip(resources(), before, strict=True))
