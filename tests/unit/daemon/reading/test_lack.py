"""What is lacking around a study costs it time and no attempt; a study at fault holds up nobody."""

from contextlib import contextmanager
from itertools import pairwise

import pytest

from daemon.errors import Strained, Unavailable
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import put_off, study_states
from daemon.ledger.standing_alerts import standing_alerts
from daemon.reading.device.providers import OutOfMemory
from daemon.reading.lack import LONGEST_S, MOST_ALONE
from daemon.reading.worker import Worker
from daemon.records import Arrival, Reported
from daemon.settings import Reading
from daemon.signals import Signal
from tests.support import opening, phantoms
from tests.support.fakes import FrozenClock
from tests.support.ledgers import empty_file
from tests.support.objects import dx, save
from tests.unit.daemon.reading.test_read import ConstantNetwork, package  # noqa: F401  # fixture

FULL = Unavailable("outbox: No space left on device")


class Failing(ConstantNetwork):
    """A network whose calls can be made to fail."""

    error = None

    def run(self, images, targets):
        if self.error is not None:
            raise self.error
        return super().run(images, targets)


class Away(Ledger):
    """A ledger that can be told not to answer, before or after it has done what was asked."""

    when = "never"

    @contextmanager
    def transaction(self):
        if self.when == "before":
            raise Unavailable("ledger: no connection")
        with super().transaction() as connection:
            yield connection
        if self.when == "after":
            raise Unavailable("ledger: no connection")


class Site:
    """A queue of studies and one worker, whose reports can be made to fail."""

    def __init__(self, folder, package):  # noqa: F811
        self.clock = FrozenClock()
        self.ledger = Away(empty_file(folder / "ledger.sqlite"))
        self.queue = Queue(self.ledger)
        self.fails = lambda study: None
        self.network = Failing()
        reader = opening.reader(package, folder, self.network)
        settings = Reading(max_attempts=2, retry_delay_s=10.0)
        self.worker = Worker("w", self.queue, reader, self._report, ["pacs"], settings, self.clock)
        save(dx(phantoms.wrist("PA", "L", spacing_mm=2.0)), folder / "0.dcm")

    def _report(self, reading, _withdrawal):
        if (error := self.fails(reading.study_uid)) is not None:
            raise error
        return Reported()

    def add(self, *studies):
        rest = ("1.3", "1.2.840", "p", "a" * 64, "0.dcm", 1, "MOD", self.clock())
        self.ledger.record([Arrival(study, f"{study}.1", *rest) for study in studies])
        for study in self.ledger.waiting():
            self.queue.enqueue(study.study_id, {"wrist": "recipe"}, self.clock())

    def work(self, seconds):
        """Let time pass, and the worker do what it may."""
        for _ in range(int(2 * seconds)):
            self.clock.advance(0.5)
            self.worker.turn()

    def state(self, study):
        [found] = [one for one in study_states(self.ledger, 1000) if one.study_uid == study]
        return found


@pytest.fixture
def site(tmp_path, package):  # noqa: F811
    opened = Site(tmp_path, package)
    opened.add("1.1", "1.2", "1.3")
    yield opened
    opened.ledger.close()


def alerts(site):
    return {one.signal: one.number for one in standing_alerts(site.ledger)}


def said(caplog):
    return [one.getMessage() for one in caplog.records if "reading" in one.getMessage()]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (FULL, "outbox: No space left on device"),
        (OSError(12, "Cannot allocate memory"), "system: Cannot allocate memory"),
        (MemoryError(), "memory: the machine has none left"),
        (OutOfMemory("inference on CUDA: out of memory"), "inference on CUDA: out of memory"),
    ],
)
def test_what_is_lacking_costs_every_study_time_and_no_attempt_and_is_said_once(
    site, caplog, error, cause
):
    site.fails = lambda study: error
    site.work(60.0)
    assert put_off(site.ledger) == {cause: 3}
    assert {one.attempts for one in study_states(site.ledger)} == {0}
    assert said(caplog) == [f"reading waits: {cause}"]
    site.fails = lambda study: None
    site.work(3 * LONGEST_S)
    assert {(one.state, one.attempts) for one in study_states(site.ledger)} == {("done", 1)}
    assert said(caplog)[1:] == [f"reading goes on, after it waited for: {cause}"]
    assert put_off(site.ledger) == {}


def test_one_study_is_tried_at_a_time_and_ever_more_seldom_while_something_is_lacking(site):
    tried = []
    site.fails = lambda study: tried.append(site.clock.seconds()) or FULL
    site.work(120.0)
    pauses = [later - before for before, later in pairwise(tried)]
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert set(pauses[4:]) <= {LONGEST_S, 2 * LONGEST_S}


def test_a_study_that_needs_too_much_memory_holds_up_nobody_and_has_its_outcome(site):
    site.fails = lambda study: MemoryError() if study == "1.1" else None
    site.work(5.0)
    assert (site.state("1.2").state, site.state("1.3").state) == ("done", "done")
    assert site.state("1.1").state == "queued"
    for number in range(30):
        site.add(f"1.9.{number}")
        site.work(2.0)
        site.clock.advance(30.0)
        assert site.state(f"1.9.{number}").state == "done"
    state = site.state("1.1")
    assert (state.state, state.reason) == ("quarantined", "analysis failed repeatedly")
    told = (Signal.STUDY_QUARANTINED, Signal.STUDY_WAITS, Signal.NO_REPORT)
    assert alerts(site) == dict.fromkeys(told, 1)


def test_a_study_that_only_a_device_in_order_cannot_read_has_its_outcome_though_it_is_alone(site):
    site.network.error = Strained("inference on CUDA: Fail", others_work=True)
    for _ in range(2 * MOST_ALONE):
        site.work(3.0)
        site.clock.advance(120.0)
    state = site.state("1.1")
    assert (state.state, state.reason) == ("quarantined", "analysis failed repeatedly")
    assert Signal.NO_REPORT not in alerts(site)


def test_a_study_whose_results_the_disk_alone_does_not_take_waits_and_is_told_of(site):
    site.fails = lambda study: FULL if study == "1.1" else None
    for number in range(2 * MOST_ALONE):
        site.add(f"1.9.{number}")
        site.work(2.0)
        site.clock.advance(120.0)
    state = site.state("1.1")
    assert (state.state, state.attempts) == ("queued", 0)
    assert alerts(site) == {Signal.STUDY_WAITS: 1}
    site.fails = lambda study: None
    site.work(120.0)
    assert (site.state("1.1").state, site.state("1.1").attempts) == ("done", 1)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["claim", "report", "settle"])
def test_a_ledger_that_is_away_at_any_step_charges_no_attempt(site, when, step):
    if step == "claim":
        site.ledger.when = when
        site.work(1.0)

    def away(_study):
        site.ledger.when = when
        return FULL if step == "report" else None

    site.fails = away
    site.work(60.0)
    site.ledger.when = "never"
    site.fails = lambda study: None
    site.work(4 * LONGEST_S)
    assert {(one.state, one.attempts) for one in study_states(site.ledger)} == {("done", 1)}
    assert len(study_states(site.ledger)) == 3


def test_a_study_that_failed_too_often_waits_for_a_disk_that_takes_its_report(site):
    site.fails = lambda study: ZeroDivisionError()
    site.work(5.0)
    site.fails = lambda study: FULL
    site.work(60.0)
    assert "quarantined" not in {one.state for one in study_states(site.ledger)}
    site.fails = lambda study: ZeroDivisionError() if study == "1.1" else None
    site.work(60.0)
    assert site.state("1.1").state == "quarantined"
    assert site.state("1.2").state == "done"
