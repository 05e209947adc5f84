"""Files go when they are old and settled, and only then."""

import os

import pytest

from daemon.ledger.deliveries import Deliveries
from daemon.ledger.retention import Retention
from daemon.operate.purge import DAY_S, Purge, discard_half_results
from daemon.settings import Place, RetentionSettings
from tests.support.fakes import FrozenClock
from tests.support.office import START, Office

YEAR_S = 365 * DAY_S


class Store:
    """An office whose results are settled or not, with a purge over it."""

    def __init__(self, root):
        self.place = Place(root=root)
        self.place.create()
        self.office = Office(self.place.outbox)
        (self.place.spool / "f").write_bytes(b"image")
        self.clock = FrozenClock(START)
        self.begin()

    def begin(self):
        """Start, as the daemon does."""
        self.purge = Purge(
            Retention(self.office.ledger), self.place, RetentionSettings(), self.clock
        )
        self.purge.turn()

    def settle(self):
        deliveries = Deliveries(self.office.ledger)
        for one in deliveries.due("archive", START):
            deliveries.delivered(one, 0, START)

    def left(self):
        """Purge, and return what is still there."""
        self.purge.turn()
        files = [self.place.spool / "f", *(self.place.outbox / f"{n}.dcm" for n in (1, 2))]
        return [file.name for file in files if file.exists()]


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.office.ledger.close()


def test_files_of_a_settled_study_go_and_those_of_an_unsent_one_stay(store):
    store.clock.advance(40 * DAY_S)
    assert store.left() == ["f", "1.dcm", "2.dcm"]
    store.settle()
    assert store.left() == []


def test_a_clock_set_forward_by_a_year_removes_nothing_for_a_day(store, caplog):
    store.settle()
    store.clock.set_by(YEAR_S)
    assert store.left() == ["f", "1.dcm", "2.dcm"]
    assert "nothing is purged for a day" in caplog.text
    store.clock.set_by(-YEAR_S)
    store.clock.advance(2 * DAY_S)
    assert store.left() == ["f", "1.dcm", "2.dcm"]
    store.clock.advance(30 * DAY_S)
    assert store.left() == []


def test_a_start_with_a_clock_a_year_ahead_removes_nothing_for_a_day(store):
    store.settle()
    store.clock = FrozenClock(START)
    store.clock.advance(YEAR_S)
    store.begin()
    assert store.left() == ["f", "1.dcm", "2.dcm"]
    store.clock.advance(DAY_S - 1)
    assert store.left() == ["f", "1.dcm", "2.dcm"]
    store.clock.advance(1)
    assert store.left() == []


def test_refused_objects_go_by_age(store):
    for name, days in (("old", 31), ("young", 29)):
        refused = store.place.quarantine / f"{name}.dcm"
        refused.touch()
        written = START.timestamp() - days * DAY_S
        os.utime(refused, (written, written))
    store.purge.turn()
    assert [file.name for file in store.place.quarantine.iterdir()] == ["young.dcm"]


def test_half_results_are_discarded_at_start(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "1.part").touch()
    (tmp_path / "study" / "2.dcm").touch()
    assert discard_half_results(tmp_path) == 1
    assert [file.name for file in (tmp_path / "study").iterdir()] == ["2.dcm"]
