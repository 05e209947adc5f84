"""Several studies at once: each job is claimed once and settled once, whatever fails beside it."""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from daemon.clock import Chronometer, utc_now
from daemon.errors import Unavailable
from daemon.ledger.jobs.leases import Leases
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import study_states
from daemon.ledger.standing_alerts import standing_alerts
from daemon.operate.lease_watch import LeaseWatch
from daemon.reading.device.guard import Offline
from daemon.reading.device.outputs import NetworkOutput
from daemon.reading.pipeline import Pipeline
from daemon.reading.worker import Worker
from daemon.records import Arrival, Reported
from daemon.settings import Reading
from daemon.signals import Signal
from model.package import write_package
from tests.support import opening, phantoms
from tests.support.fakes import FrozenClock
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.ledgers import empty_file
from tests.support.objects import dx, save
from tests.support.tools import wait_until

STUDIES = 12
AN_HOUR_S = 3600.0


class Counting:
    """Answers every image alike; remembers how many came together."""

    provider = "CPUExecutionProvider"

    def __init__(self):
        self.batches = []
        self.error = None
        self.refuses = lambda images: False

    def run(self, images, targets):
        self.batches.append(len(images))
        if self.error is not None:
            raise self.error
        if self.refuses(images):
            raise Unavailable("inference")
        number = len(images)
        return NetworkOutput(
            np.zeros((number, 2), np.float32), np.ones((number, 4, 4), np.float32), np.ones(number)
        )


class Site:
    """A queue of studies, and a pipeline over it."""

    def __init__(self, folder, package):
        self.folder = folder
        self.ledger = Ledger(empty_file(folder / "ledger.sqlite"))
        self.queue = Queue(self.ledger)
        self.network = Counting()
        self.reported = []
        self.during_report = lambda reading: None
        self.reader = replace(opening.reader(package, folder, self.network), decode=self._decode)
        self.opened = threading.Semaphore(0)
        self.settled = threading.Semaphore(0)
        self.hold = None
        self.clock = Chronometer()

    def _decode(self, file):
        self.opened.release()
        if self.hold is not None:
            self.hold.wait(10)
        return opening.decode_here(file)

    def _report(self, reading, withdrawal):
        self.during_report(reading)
        self.reported.append(reading.study_uid)
        return Reported()

    def add(self, picture, first=0, studies=STUDIES):
        before = utc_now() - timedelta(minutes=1)
        save(dx(picture), self.folder / "0.dcm")
        constant = ("1.3", "1.2.840", "p", "a" * 64, "0.dcm", 1, "MOD", before)
        uids = [f"1.2.{number}" for number in range(first, first + studies)]
        self.ledger.record([Arrival(uid, f"{uid}.1", *constant) for uid in uids])
        for study in self.ledger.waiting():
            self.queue.enqueue(study.study_id, {"wrist": "recipe"}, before)

    def worker(self, **settings):
        chosen = Reading(**{"retry_delay_s": 0.05, "batch_wait_s": 0.2, **settings})
        parts = ("w", self.queue, self.reader, self._report, ["pacs"], chosen, self.clock)
        return Worker(*parts, settled=self.settled.release)

    def states(self):
        return [state.state for state in study_states(self.ledger, 100)]

    def run_until(self, done, batch_size=4, **settings):
        """Run a pipeline until `done()`; returns when all its threads have ended."""
        with self.running(batch_size, look_again_s=0.02, **settings):
            wait_until(done, "the pipeline", 30.0)

    @contextmanager
    def running(self, batch_size=4, look_again_s=AN_HOUR_S, **settings):
        stop = threading.Event()
        pipeline = Pipeline(self.worker(**settings), 2, lambda: batch_size, look_again_s)
        thread = threading.Thread(target=pipeline.run, args=(stop,))
        thread.start()
        try:
            yield pipeline
        finally:
            stop.set()
            pipeline.bell.ring()
            thread.join(15.0)
        assert not thread.is_alive()

    def all_settled(self):
        return not {"queued", "running"} & set(self.states())


@pytest.fixture(scope="module")
def picture():
    return phantoms.wrist("PA", "L", spacing_mm=1.0)


@pytest.fixture
def site(tmp_path, picture):
    graph = write_graph(tmp_path / "tiny.onnx")
    package = write_package(tmp_path / "package", graph, tiny_manifest(graph), "")
    site = Site(tmp_path, package)
    site.add(picture)
    yield site
    site.ledger.close()


def test_every_study_is_read_and_reported_once(site):
    site.run_until(site.all_settled)
    assert sorted(site.reported) == sorted(f"1.2.{n}" for n in range(STUDIES))
    assert site.states() == ["done"] * STUDIES


def test_images_of_several_studies_share_a_batch_of_bounded_size(site):
    site.run_until(site.all_settled, batch_size=3)
    assert sum(site.network.batches) == STUDIES
    assert max(site.network.batches) == 3


def test_a_batch_of_one_waits_for_no_other(site):
    site.run_until(site.all_settled, batch_size=1, batch_wait_s=10.0)
    assert site.network.batches == [1] * STUDIES


def test_no_more_studies_are_claimed_than_may_be_in_hand(site):
    running = []
    site.during_report = lambda reading: running.append(site.states().count("running"))
    site.run_until(site.all_settled, studies_in_hand=3)
    assert max(running) <= 3


def test_reporting_does_not_hold_the_device(site):
    may_report = threading.Event()
    site.during_report = lambda reading: may_report.wait(10)
    read = []

    def three_were_read_while_none_was_reported():
        read.append(sum(site.network.batches))
        if read[-1] >= 3 and not site.reported:
            may_report.set()
        return may_report.is_set() and site.all_settled()

    site.run_until(three_were_read_while_none_was_reported, studies_in_hand=4)


def test_the_next_studies_are_decoded_while_the_device_is_busy(site):
    may_go_on = threading.Event()
    site.network.refuses = lambda images: not may_go_on.wait(10)
    opened = []

    def three_were_opened_beside_a_busy_device():
        while site.opened.acquire(blocking=False):
            opened.append(len(site.network.batches))
        if len(opened) >= 3 and site.network.batches and not site.reported:
            may_go_on.set()
        return may_go_on.is_set() and site.all_settled()

    site.run_until(three_were_opened_beside_a_busy_device, batch_size=1)
    assert site.states() == ["done"] * STUDIES


def test_a_stop_gives_back_what_was_not_read_without_charging_an_attempt(site):
    site.hold = threading.Event()
    with site.running():
        wait_until(lambda: site.states().count("running") == 6, "six in hand")
        threading.Timer(0.5, site.hold.set).start()  # the stop comes before
    assert "running" not in site.states()
    attempts = [state.attempts for state in study_states(site.ledger, 100)]
    assert sorted(attempts)[:-2] == [0] * (STUDIES - 2)


def test_a_job_that_failed_before_is_done_alone(site):
    beside = {}

    def note(reading):
        beside[reading.study_uid] = site.states().count("running")

    first = site.queue.claim("crashed", utc_now(), timedelta(seconds=60))
    site.queue.release("crashed")
    site.during_report = note
    site.run_until(site.all_settled)
    assert beside[first.study_uid] == 1
    assert max(beside.values()) > 1


def test_a_study_that_fails_in_a_batch_does_not_take_the_others_with_it(site):
    site.network.refuses = lambda images: len(images) > 1
    site.run_until(site.all_settled)
    assert site.states() == ["done"] * STUDIES
    assert max(site.network.batches) > 1


def test_without_a_device_studies_are_answered_and_kept_for_a_replay(site):
    site.network.error = Offline("the device is lost")
    site.run_until(site.all_settled)
    states = study_states(site.ledger, 100)
    assert {(one.state, one.category, one.reason) for one in states} == {
        ("done", "not analysed", "model offline")
    }
    [alert] = standing_alerts(site.ledger)
    assert (alert.signal, alert.number) == (Signal.MODEL_OFFLINE, STUDIES)
    assert len(site.reported) == STUDIES


def test_a_job_that_waited_long_for_others_gets_its_lease_prolonged(site):
    site.clock = FrozenClock()
    worker = site.worker(lease_s=30.0)
    leases = LeaseWatch(Leases(site.ledger), worker.settings.silence_s, site.clock.seconds)
    job = worker.claim()
    for _ in range(20):  # what it waits for takes three times as long as it may be silent
        leases.turn()
        site.clock.advance(29.0)
        opened = worker.open(job)
    [(_, reading)] = worker.infer([opened])
    worker.settle(job, reading)
    [done] = [state for state in study_states(site.ledger, 100) if state.state == "done"]
    assert done.attempts == 1


def settle(site, number):
    """Wait until so many more jobs are settled, however long that takes."""
    for _ in range(number):
        assert site.settled.acquire(timeout=30.0)


def test_a_ring_is_enough_to_have_a_job_claimed(site, picture):
    with site.running() as pipeline:
        settle(site, STUDIES)
        site.add(picture, first=STUDIES, studies=1)
        assert not site.settled.acquire(timeout=0.3)  # an hour until it looks by itself
        pipeline.bell.ring()
        settle(site, 1)


def test_a_lost_ring_costs_no_more_than_the_time_until_it_looks_by_itself(site, picture):
    with site.running(look_again_s=0.2):
        settle(site, STUDIES)
        site.add(picture, first=STUDIES, studies=1)
        settle(site, 1)


def test_a_study_for_which_there_was_no_room_is_claimed_when_another_leaves(site):
    with site.running(studies_in_hand=1):
        settle(site, STUDIES)


def test_a_study_waits_for_no_companions_when_none_are_coming(site, picture):
    with site.running(batch_size=64, batch_wait_s=10.0, studies_in_hand=STUDIES) as pipeline:
        settle(site, STUDIES)
        site.add(picture, first=STUDIES, studies=1)
        before = time.monotonic()
        pipeline.bell.ring()
        settle(site, 1)
        assert time.monotonic() - before < 5.0


def test_the_report_of_a_quarantined_study_is_rung_for_too(site):
    site.network.error = ZeroDivisionError("a defect")
    with site.running(max_attempts=1):
        settle(site, STUDIES)
    assert site.states() == ["quarantined"] * STUDIES


def test_a_stop_wakes_everything_that_waits(site):
    with site.running():
        settle(site, STUDIES)
        before = time.monotonic()
    assert time.monotonic() - before < 1.0
