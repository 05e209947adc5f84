"""When the assembly looks again, and how leases are watched: stepped by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.assembly.sweep import Sweep
from daemon.ledger.jobs.leases import Leases
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.operate.lease_watch import LeaseWatch
from daemon.records import Arrival
from daemon.settings import Assembly
from tests.support.fakes import FrozenClock, to_wrist
from tests.support.ledgers import empty_file

HOUR, YEAR = 3600.0, 365 * 86400.0
LEASE = timedelta(seconds=60)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(empty_file(tmp_path / "ledger.sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return FrozenClock()


def sweep_of(ledger, clock, tmp_path, sending=()):
    rule = Assembly(quiet_period_s=30.0, hard_cap_s=900.0)
    return Sweep(
        ledger,
        Queue(ledger),
        rule,
        {"wrist": "recipe"},
        to_wrist,
        clock,
        tmp_path,
        lambda _file, named: named,
        lambda: sending,
    )


def arrive(ledger, clock, study="1.2"):
    values = (f"{study}.1", "1.3", "1.2.840", "p", "a" * 64, "f.dcm", 1, "MOD")
    ledger.record([Arrival(study, *values, clock())])


def test_a_sweep_says_when_the_next_study_is_due_and_takes_it_then(ledger, clock, tmp_path):
    sweep = sweep_of(ledger, clock, tmp_path)
    assert sweep.assemble() is None
    arrive(ledger, clock)
    clock.advance(12.0)
    arrive(ledger, clock, "1.3")
    assert sweep.assemble() == pytest.approx(18.0)
    clock.advance(18.0)
    assert sweep.assemble() == pytest.approx(12.0)
    clock.advance(12.0)
    assert sweep.assemble() is None
    assert ledger.waiting() == []


def test_whoever_reads_is_told_of_each_job_that_was_queued(ledger, clock, tmp_path):
    arrive(ledger, clock)
    told = []
    sweep = replace(
        sweep_of(ledger, clock, tmp_path), queued=lambda: told.append(len(ledger.waiting()))
    )
    clock.advance(30.0)
    sweep.assemble()
    sweep.assemble()
    assert told == [0]


def test_a_study_that_is_being_sent_is_due_at_the_hard_cap(ledger, clock, tmp_path):
    arrive(ledger, clock)
    sweep = sweep_of(ledger, clock, tmp_path, {"1.2"})
    clock.advance(100.0)
    assert sweep.assemble() == pytest.approx(800.0)


@pytest.fixture
def claimed(ledger, clock, tmp_path):
    """A queue with one job that a worker holds."""
    arrive(ledger, clock)
    clock.advance(30.0)
    sweep_of(ledger, clock, tmp_path).assemble()
    queue = Queue(ledger)
    return queue, queue.claim("w", clock.steady(), LEASE)


def test_a_worker_that_falls_silent_loses_its_job(claimed, clock):
    queue, _job = claimed
    leases = LeaseWatch(Leases(queue.ledger), 60.0, clock.seconds)
    for _ in range(5):
        assert leases.turn() == 0
        clock.advance(15.0)
    assert leases.turn() == 1
    assert queue.claim("another", clock.steady(), LEASE).attempt == 2


def test_a_worker_that_prolongs_its_lease_keeps_its_job(claimed, clock):
    queue, job = claimed
    leases = LeaseWatch(Leases(queue.ledger), 60.0, clock.seconds)
    for _ in range(20):
        assert leases.turn() == 0
        clock.advance(25.0)
        assert leases.turn() == 0
        clock.advance(25.0)
        assert queue.prolong(job, clock.steady(), LEASE)


@pytest.mark.parametrize("jump", [-YEAR, -HOUR, HOUR, YEAR])
def test_a_clock_that_is_set_expires_no_lease_early_and_holds_none(claimed, clock, jump):
    queue, _job = claimed
    leases = LeaseWatch(Leases(queue.ledger), 60.0, clock.seconds)
    leases.turn()
    clock.set_by(jump)
    clock.advance(15.0)
    assert leases.turn() == 0
    for _ in range(4):
        clock.advance(15.0)
        expired = leases.turn()
    assert expired == 1


def test_a_watch_that_was_stopped_itself_blames_no_worker(claimed, clock):
    queue, _job = claimed
    leases = LeaseWatch(Leases(queue.ledger), 60.0, clock.seconds)
    leases.turn()
    clock.advance(HOUR)
    assert leases.turn() == 0
