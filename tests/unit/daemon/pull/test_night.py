"""When archives are asked, and what of."""

import io
from datetime import UTC, date, datetime, time

import pytest

from daemon.calling.scu import Unreachable
from daemon.errors import Unavailable
from daemon.identity import derived_uid
from daemon.ledger.ledger import Ledger
from daemon.ledger.pulls import Pulls
from daemon.operate.batch import BatchProgress, fetch_all
from daemon.pull.criteria import Criteria, Part, Series
from daemon.pull.fetcher import LEASE, MAX_ATTEMPTS, Fetcher
from daemon.pull.night import Night, criteria_for, is_inside
from daemon.records import Arrival
from daemon.settings.peers import Pull
from tests.support.fakes import FrozenClock
from tests.support.ledgers import empty_file

DX, SC = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7"
OWN = derived_uid("a result")
CRITERIA = Criteria(date(2026, 11, 1), date(2026, 11, 30), ("DX",), ("WRIST",))


class Shelf:
    """An archive in memory that can be away, and that brings nothing to the ledger."""

    def __init__(self, *study_uids, images=()):
        self.study_uids = study_uids
        self.images = dict(images)
        self.fetched = []
        self.asked = 0
        self.away = False

    def series(self, study_uid, _criteria):
        return [Series(f"{study_uid}.1", self.images)]

    def find(self, _criteria):
        self.asked += 1
        yield from self.study_uids

    def retrieve(self, study_uid, _parts):
        if self.away:
            raise Unavailable("away")
        self.fetched.append(study_uid)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(empty_file(tmp_path / "ledger.sqlite"))
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
    for modality, body_part, is_wanted in (
        ("DX", "", True),
        ("DX", "Wrist", True),
        ("DX", "CHEST", False),
        ("MR", "WRIST", False),
    ):
        series = {"Modality": modality, "BodyPartExamined": body_part}
        assert criteria.wants(series) is is_wanted


def test_settings_look_back_from_today():
    criteria = criteria_for(Pull(days=2), at(1))
    assert criteria.study_date == "20261119-20261121"


def test_each_archive_is_asked_once_a_night_and_gives_one_study_at_a_ring(ledger):
    clock, shelf = FrozenClock(at(22)), Shelf("1.2.1", "1.2.2")
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    night = Night(Pull(window="22:00-05:00"), [fetcher], clock)
    for _ in range(4):
        night.turn()
        clock.advance(night.settings.interval_s)
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
    fetcher.batch(CRITERIA, 1.0, lambda _seconds: True, lambda: None)
    assert shelf.fetched == ["1.2.1"]
    again = Fetcher("shelf", shelf, Pulls(ledger), clock)
    again.batch(CRITERIA, 1.0, lambda seconds: bool(clock.advance(seconds) is None), lambda: None)
    assert shelf.fetched == ["1.2.1", "1.2.2", "1.2.3"]
    assert Pulls(ledger).counts("shelf") == {"retrieved": 3}


def test_a_study_that_cannot_be_fetched_is_tried_again_and_then_given_up(ledger):
    clock, shelf = FrozenClock(at(22)), Shelf("1.2.1")
    shelf.away = True
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    fetcher.query(criteria_for(Pull(), at(1)))
    for _ in range(MAX_ATTEMPTS):
        assert fetcher.turn(CRITERIA)
        assert not fetcher.turn(CRITERIA)
        clock.advance(86400)
    assert Pulls(ledger).counts("shelf") == {"failed": 1}


def test_what_another_fetches_is_left_to_it_until_its_lease_ends(ledger):
    clock = FrozenClock(at(22))
    first = Fetcher("first", Shelf("1.2.1"), Pulls(ledger), clock)
    other = Fetcher("other", Shelf("1.2.1", "1.2.2"), Pulls(ledger), clock)
    for fetcher in (first, other):
        fetcher.query(CRITERIA)
    assert Pulls(ledger).claim("first", clock(), LEASE).study_uid == "1.2.1"
    assert [other.turn(CRITERIA), other.turn(CRITERIA)] == [True, False]
    assert other.archive.fetched == ["1.2.2"]
    clock.advance(LEASE.total_seconds() + 1)  # whoever claimed it has died
    assert first.turn(CRITERIA)
    assert first.archive.fetched == ["1.2.1"]


def test_what_is_here_already_is_not_fetched_and_that_is_said(ledger, caplog):
    clock = FrozenClock(at(22))
    ledger.record([arrival("1.2.1", "1.2.1.1.1", clock())])
    shelf = Shelf("1.2.1", images={"1.2.1.1.1": DX, "1.2.1.1.2": SC})
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    fetcher.query(CRITERIA)
    with caplog.at_level("INFO"):
        assert fetcher.turn(CRITERIA)
    assert shelf.fetched == []
    assert Pulls(ledger).counts("shelf") == {"known": 1}
    assert "study not fetched: what is wanted of it is here already" in caplog.text


def test_a_study_with_one_more_image_than_is_here_is_fetched(ledger):
    clock = FrozenClock(at(22))
    ledger.record([arrival("1.2.1", "1.2.1.1.1", clock())])
    shelf = Shelf("1.2.1", images={"1.2.1.1.1": DX, "1.2.1.1.2": DX})
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    fetcher.query(CRITERIA)
    assert fetcher.turn(CRITERIA)
    assert shelf.fetched == ["1.2.1"]


class Grudging(Shelf):
    """Brings images, and says that something else failed, or that all is well."""

    def __init__(self, ledger, now, brings, failed=1, **options):
        super().__init__("1.2.1", **options)
        self.ledger, self.now, self.brings, self.failed = ledger, now, brings, failed

    def retrieve(self, study_uid, _parts):
        self.ledger.record([arrival(study_uid, one, self.now) for one in self.brings])
        if self.failed:
            raise Unavailable("retrieval ended with status B000, 1 objects failed")


@pytest.mark.parametrize(
    ("brings", "state"), [(["1.1", "1.2"], {"retrieved": 1}), (["1.1"], {"found": 1})]
)
def test_only_a_failed_object_that_is_wanted_is_a_failure(ledger, brings, state):
    clock = FrozenClock(at(22))
    shelf = Grudging(ledger, clock(), brings, images={"1.1": DX, "1.2": DX, "1.3": SC})
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    fetcher.query(CRITERIA)
    assert fetcher.turn(CRITERIA)
    assert Pulls(ledger).counts("shelf") == state


@pytest.mark.parametrize(
    ("brings", "state"),
    [(["1.1", "1.2"], {"retrieved": 1}), (["1.1"], {"found": 1}), ([], {"found": 1})],
)
def test_a_study_is_retrieved_when_its_images_are_here_and_not_when_the_archive_says_so(
    ledger, brings, state
):
    clock = FrozenClock(at(22))
    images = {"1.1": DX, "1.2": DX}
    shelf = Grudging(ledger, clock(), brings, failed=0, images=images)
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    fetcher.query(CRITERIA)
    assert fetcher.turn(CRITERIA)
    assert Pulls(ledger).counts("shelf") == state


@pytest.mark.parametrize(
    ("classes", "held", "missing"),
    [
        ({"1.1": DX}, set(), [Part("1")]),
        ({"1.1": DX}, {"1.1"}, []),
        ({"1.1": DX, "1.2": SC}, set(), [Part("1", "1.1")]),
        ({"1.1": DX, "1.2": DX}, {"1.1"}, [Part("1", "1.2")]),
        ({"1.1": DX, "1.2": SC}, {"1.1"}, []),
        ({"1.1": ""}, set(), [Part("1")]),
        ({OWN: DX}, set(), []),
        ({}, set(), [Part("1")]),
    ],
)
def test_what_is_retrieved_of_a_series(classes, held, missing):
    assert Series("1", classes).missing(held) == missing


def test_a_batch_says_how_far_it_is_and_how_fast(ledger):
    clock, shelf, stream = FrozenClock(at(22)), Shelf("1.2.1", "1.2.2"), io.StringIO()
    fetcher = Fetcher("shelf", shelf, Pulls(ledger), clock)
    fetcher.query(CRITERIA)
    fetch_all(fetcher, CRITERIA, 0.0, stream)
    [line] = stream.getvalue().splitlines()
    assert line.startswith("2 of 2 studies, ")
    assert line.endswith(" a minute, 0 left")
    seconds = iter((0.0, 120.0))
    assert (
        BatchProgress(10, 4, lambda: next(seconds)).words()
        == "6 of 10 studies, 3.0 a minute, 4 left"
    )


def arrival(study_uid, instance_uid, now):
    return Arrival(
        study_uid=study_uid,
        sop_instance_uid=instance_uid,
        sop_class_uid=DX,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        patient_key="p",
        digest=instance_uid,
        file=f"{instance_uid}.dcm",
        size=1,
        calling_ae="MODALITY",
        received_at=now,
    )


class Broken(Shelf):
    """An archive whose answers break us."""

    def find(self, criteria):
        raise ZeroDivisionError

    def series(self, study_uid, criteria):
        raise ZeroDivisionError


def test_an_answer_that_names_no_study_is_said_and_costs_no_other(ledger, caplog):
    fetcher = Fetcher("shelf", Shelf("", "1.2.1"), Pulls(ledger), FrozenClock(at(22)))
    assert fetcher.query(CRITERIA) == 1
    assert "the archive names no study in an answer" in caplog.text


def test_no_archive_keeps_the_night_from_another(ledger):
    clock, shelf, away = FrozenClock(at(22)), Shelf("1.2.1"), Shelf("1.2.9")
    away.away = True
    pulls = Pulls(ledger)
    shelves = {"broken": Broken("1.2.8"), "away": away, "shelf": shelf}
    fetchers = [Fetcher(name, one, pulls, clock) for name, one in shelves.items()]
    night = Night(Pull(window="22:00-05:00"), fetchers, clock)
    for _ in range(3):
        night.turn()
        clock.advance(night.settings.interval_s)
    assert shelf.fetched == ["1.2.1"]


def test_a_study_whose_answer_breaks_us_is_tried_again_and_then_given_up(ledger):
    clock, broken = FrozenClock(at(22)), Broken()
    fetcher = Fetcher("broken", broken, Pulls(ledger), clock)
    fetcher.pulls.found("broken", ["1.2.1"], clock())
    for _ in range(MAX_ATTEMPTS):
        assert fetcher.turn(CRITERIA)
        clock.advance(86400.0)
    assert fetcher.pulls.counts("broken") == {"failed": 1}


def test_an_archive_that_is_away_costs_a_study_no_attempt(ledger):
    class Away(Shelf):
        def series(self, study_uid, criteria):
            raise Unreachable("away")

    clock = FrozenClock(at(22))
    fetcher = Fetcher("away", Away(), Pulls(ledger), clock)
    fetcher.pulls.found("away", ["1.2.1"], clock())
    for _ in range(3 * MAX_ATTEMPTS):
        assert fetcher.turn(CRITERIA)
        clock.advance(3600.0)
    assert fetcher.pulls.counts("away") == {"found": 1}
