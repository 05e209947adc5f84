"""Two hosts on one ledger: who makes a study's job, and what happens when one falls silent."""

from datetime import timedelta

import pytest

from daemon.assembly.sweep import Sweep
from daemon.ledger.hosts.places import Places
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.standing_alerts import standing_alerts
from daemon.operate.neighbours import BEAT_INTERVAL_S, SILENT_AFTER_S, Neighbours
from daemon.place import Place
from daemon.settings import Assembly
from daemon.signals import Signal
from tests.support.fakes import FrozenClock, to_wrist
from tests.support.ledgers import empty_file
from tests.unit.daemon.ledger.test_ledger import LEASE, arrival
from tests.unit.daemon.ledger.test_places import EAST, WEST


class Host:
    """One daemon's clock work; `elapsed_s` is its monotonic clock."""

    def __init__(self, where, home, clock):
        self.ledger, self.clock, self.elapsed_s = Ledger(where, home=home), clock, 0.0
        self.queue = Queue(self.ledger)
        self.neighbours = Neighbours(Places(self.ledger), clock, lambda: self.elapsed_s)
        self.sweep = Sweep(
            self.ledger,
            self.queue,
            Assembly(quiet_period_s=30.0, hard_cap_s=900.0),
            {"wrist": "recipe"},
            to_wrist,
            clock,
            where.parent,
            lambda _file, named: named,
            silent=self.neighbours.silent,
        )

    def receives(self, *numbers):
        self.ledger.record([arrival(number, at=self.clock()) for number in numbers])

    def sweeps(self):
        """Sweep once; return whether each image of the job claimed then is here."""
        self.sweep.assemble()
        job = self.queue.claim("w", self.clock(), LEASE)
        return None if job is None else [one.is_here for one in job.instances]

    def lives(self, seconds):
        """Take the turns of so many seconds."""
        for _ in range(int(seconds / BEAT_INTERVAL_S)):
            self.elapsed_s += BEAT_INTERVAL_S
            self.neighbours.turn()


@pytest.fixture
def hosts(tmp_path):
    """Two hosts; the clock tells that the quiet period of what comes is over."""
    clock = FrozenClock()
    where = empty_file(tmp_path / "ledger.sqlite")
    both = [Host(where, home, clock) for home in (EAST, WEST)]
    yield both
    for one in both:
        one.ledger.close()


def quiet(host, seconds=31):
    host.clock.advance(seconds)


def test_a_study_is_assembled_by_the_host_that_has_it(hosts):
    east, west = hosts
    west.receives(1, 2)
    quiet(west)
    assert east.sweeps() is None
    assert west.sweeps() == [True, True]


def test_of_a_study_on_two_hosts_the_one_that_has_the_most_reads_its_part(hosts):
    east, west = hosts
    east.receives(1)
    west.receives(2, 3)
    quiet(east)
    assert west.sweeps() is None  # it waits for what the other says of its image
    assert east.sweeps() is None
    assert west.sweeps() == [False, True, True]
    assert east.sweeps() is None


def test_a_host_that_has_all_reads_it_though_another_has_some(hosts):
    east, west = hosts
    east.receives(1)
    west.receives(1, 2)
    quiet(east)
    assert east.sweeps() is None
    assert west.sweeps() == [True, True]


def test_the_images_of_a_silent_host_are_waited_for_until_the_hard_cap(hosts):
    east, west = hosts
    east.receives(1, 2)
    quiet(east)
    east.neighbours.turn()
    west.receives(3)
    west.lives(SILENT_AFTER_S + 3 * BEAT_INTERVAL_S)
    assert west.neighbours.silent() == {east.ledger.place}
    quiet(west)
    assert west.sweeps() is None
    quiet(west, 900)
    assert west.sweeps() == [False, False, True]


def test_a_host_that_speaks_is_not_silent_whatever_its_clock_shows(hosts):
    east, west = hosts
    for _ in range(40):
        east.clock.advance(-3600)
        east.neighbours.turn()
        west.lives(BEAT_INTERVAL_S)
    assert west.neighbours.silent() == set()


def test_after_the_ledger_was_away_for_all_nobody_is_silent(hosts):
    east, west = hosts
    east.neighbours.turn()
    west.lives(10)
    west.elapsed_s += 600.0  # both waited for the database, and west comes back first
    west.lives(BEAT_INTERVAL_S)
    assert not west.neighbours.silent()
    east.clock.advance(600.0)
    east.neighbours.turn()
    west.lives(SILENT_AFTER_S - BEAT_INTERVAL_S)
    assert not west.neighbours.silent()


def test_the_job_of_a_silent_host_is_read_where_its_images_lie_too(hosts):
    east, west = hosts
    east.receives(1)
    quiet(east)
    east.sweep.assemble()
    west.receives(1)
    west.lives(SILENT_AFTER_S - BEAT_INTERVAL_S)
    assert west.sweeps() is None
    west.lives(3 * BEAT_INTERVAL_S)
    assert west.sweeps() == [True]


def test_a_host_that_comes_back_reads_whole_what_another_read_in_part(hosts, tmp_path):
    east, west = hosts
    east.receives(1, 2)
    west.receives(2)
    east.neighbours.turn()
    west.lives(SILENT_AFTER_S + 3 * BEAT_INTERVAL_S)
    quiet(west, 931)
    assert west.sweeps() == [False, True]
    west.queue.release("w")
    place = Place(root=tmp_path / "east")
    east.neighbours.start(place)
    assert east.ledger.waiting() != []
    quiet(east)
    assert east.sweeps() == [True, True]


def test_a_copied_state_folder_is_noticed(hosts, caplog, tmp_path):
    east, _west = hosts
    clone = Host(tmp_path / "ledger.sqlite", EAST, FrozenClock(east.clock() + timedelta(seconds=1)))
    for host in (east, clone, east, clone):
        host.clock.advance(BEAT_INTERVAL_S)
        host.neighbours.turn()
    assert [record.message[:40] for record in caplog.records] == [
        "another daemon has a copy of this state f"[:40]
    ] * 2
    [alert] = standing_alerts(east.ledger)
    assert (alert.signal, alert.number) == (Signal.STATE_FOLDER_COPIED, 1)
    clone.ledger.close()
    east.lives(SILENT_AFTER_S + 2 * BEAT_INTERVAL_S)
    assert standing_alerts(east.ledger) == []
    assert "is silent" in caplog.records[-1].message


def test_a_study_that_lost_its_images_is_counted_once(hosts):
    east, west = hosts
    east.receives(1)
    moved = arrival(1, content="b", at=east.clock())
    west.ledger.record([type(moved)(**vars(moved) | {"study_uid": "1.2.4"})])
    east.clock.now += timedelta(seconds=31)
    for host in (east, west, east):
        host.sweep.assemble()
    assert east.ledger.counters()["alert_study_emptied"] == 1
