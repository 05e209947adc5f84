"""When archives are asked, and what of."""

from datetime import UTC, datetime, time

import pytest
from pydicom import Dataset

from daemon.errors import Unavailable
from daemon.ledger.ledger import Ledger
from daemon.ledger.pulls import Pulls
from daemon.peers import Pull
from daemon.pull.criteria import Criteria
from daemon.pull.fetch import MAX_ATTEMPTS, Fetcher
from daemon.pull.night import Night, criteria_for, is_inside
from tests.fakes import FrozenClock


class Shelf:
    """An archive in memory that can be away."""

    def __init__(self, *study_uids):
        self.study_uids = study_uids
        self.fetched = []
        self.asked = 0
        self.away = False

    def find(self, _criteria):
        self.asked += 1
        yield from self.study_uids

    def retrieve(self, study_uid):
        if self.away:
            raise Unavailable("away")
        self.fetched.append(study_uid)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def at(hour, minute=0):
    return datetime(2026, 11, 21, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "hour", "inside"),
    [
        ("22:00-05:00", 23, True),
        ("22:00-05:00", 4, True),
        ("22:00-05:00", 5, False),
        ("22:00-05:00", 12, False),
        ("01:00-03:00", 2, True),
        ("01:00-03:00", 3, False),
        ("", 2, False),
    ],
)
def test_a_window_may_cross_midnight(window, hour, inside):
    assert is_inside(window, at(hour)) is inside


def test_a_series_is_wanted_by_modality_and_body_part_where_it_names_one():
    criteria = Criteria(at(1).date(), at(1).date(), ("DX",), ("WRIST",))
    series = Dataset()
    series.Modality = "DX"
    assert criteria.wants(series)
    series.BodyPartExamined = "Wrist"
    assert criteria.wants(series)
    series.BodyPartExamined = "CHEST"
    assert not criteria.wants(series)
    series.BodyPartExamined, series.Modality = "WRIST", "MR"
    assert not criteria.wants(series)


def test_settings_look_back_from_today():
    criteria = criteria_for(Pull(days=2), at(1))
    assert criteria.study_date == "20261119-20261121"


def test_each_archive_is_asked_once_a_night_and_gives_one_study_at_a_ring(ledger):
    clock, shelf = FrozenClock(at(22)), Shelf("1.2.1", "1.2.2")
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    night = Night(Pull(window="22:00-05:00"), [fetcher], clock)
    for _ in range(4):
        night.turn()
        clock.advance(night.interval_s)
    assert shelf.asked == 1
    assert shelf.fetched == ["1.2.1", "1.2.2"]
    clock.now = datetime.combine(clock.now.date(), time(12), UTC)
    night.turn()
    clock.now = at(22).replace(day=23)
    night.turn()
    assert shelf.asked == 2
    assert shelf.fetched == ["1.2.1", "1.2.2"]


def test_an_unfinished_batch_is_resumed(ledger):
    clock, shelf = FrozenClock(at(22)), Shelf("1.2.1", "1.2.2", "1.2.3")
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    assert fetcher.query(criteria_for(Pull(), at(1))) == 3
    fetcher.batch(1.0, lambda _seconds: True, lambda: None)
    assert shelf.fetched == ["1.2.1"]
    again = Fetcher("shelf", shelf, Pulls(ledger), clock)
    again.batch(1.0, lambda seconds: bool(clock.advance(seconds) is None), lambda: None)
    assert shelf.fetched == ["1.2.1", "1.2.2", "1.2.3"]
    assert Pulls(ledger).counts("shelf") == {"retrieved": 3}


def test_a_study_that_cannot_be_fetched_is_tried_again_and_then_given_up(ledger):
    clock, shelf = FrozenClock(at(22)), Shelf("1.2.1")
    shelf.away = True
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    fetcher.query(criteria_for(Pull(), at(1)))
    for _ in range(MAX_ATTEMPTS):
        assert fetcher.turn(clock())
        assert not fetcher.turn(clock())
        clock.advance(86400)
    assert Pulls(ledger).counts("shelf") == {"failed": 1}
