"""When a study is complete, whatever the wall clock does meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.assembly.complete import Patience
from daemon.records import WaitingStudy
from daemon.settings import Assembly

RULE = Assembly(quiet_period_s=30.0, hard_cap_s=300.0)
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOUR, YEAR = 3600.0, 365 * 86400.0


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def study(first_s, last_s=None):
    last_s = first_s if last_s is None else last_s
    return WaitingStudy(1, "1.2", waiting_since=at(first_s), last_arrival_at=at(last_s))


class Sweep:
    """Looks at one study, with a wall clock that can be set."""

    def __init__(self):
        self.patience = Patience(RULE)
        self.set_by = 0.0

    def left(self, seconds, waiting, *, sending=False):
        self.patience.look([waiting], at(seconds + self.set_by), seconds)
        return self.patience.left_s(1, is_being_sent=sending)


@pytest.fixture
def sweep():
    return Sweep()


def test_the_quiet_period_counts_from_the_arrival_and_not_from_the_sweep_that_sees_it(sweep):
    sweep.left(0, study(-1000))
    assert sweep.left(10, study(9.25)) == pytest.approx(29.25)
    assert sweep.left(39, study(9.25)) == pytest.approx(0.25)
    assert sweep.left(40, study(9.25)) <= 0


def test_each_arrival_starts_the_quiet_period_again_until_the_hard_cap(sweep):
    sweep.left(0, study(0))
    for second in range(10, 300, 10):
        assert 0 < sweep.left(second, study(0, second)) <= 30.0
    assert sweep.left(300, study(0, 300)) <= 0


def test_while_a_study_is_being_sent_only_the_hard_cap_ends_the_wait(sweep):
    sweep.left(0, study(0))
    assert sweep.left(100, study(0), sending=True) == pytest.approx(200.0)
    assert sweep.left(100, study(0)) <= 0
    assert sweep.left(300, study(0), sending=True) <= 0


def test_a_start_makes_nothing_wait_again(sweep):
    assert sweep.left(0, study(-29)) == pytest.approx(1.0)
    assert Sweep().left(0, study(-31)) <= 0


def test_a_start_with_a_clock_that_went_back_waits_one_quiet_period(sweep):
    assert sweep.left(0, study(HOUR)) == pytest.approx(30.0)
    assert sweep.left(30, study(HOUR)) <= 0


@pytest.mark.parametrize("jump", [-YEAR, -HOUR, -5.0, 5.0, HOUR, YEAR])
def test_a_clock_that_is_set_while_a_study_waits_changes_nothing(sweep, jump):
    sweep.left(0, study(0))
    sweep.left(10, study(0, 9.5))
    sweep.set_by = jump
    assert sweep.left(39, study(0, 9.5)) == pytest.approx(0.5)
    assert sweep.left(39.5, study(0, 9.5)) <= 0


@pytest.mark.parametrize("jump", [-YEAR, -HOUR, -5.0, 5.0, HOUR, YEAR])
def test_a_clock_that_is_set_between_an_arrival_and_the_sweep_costs_no_more_than_the_sweep(
    sweep, jump
):
    sweep.left(0, study(0))
    sweep.set_by = jump
    assert sweep.left(1, study(0, 0.5)) == pytest.approx(30.0)


@pytest.mark.parametrize("jump", [-YEAR, -HOUR, HOUR, YEAR])
def test_what_arrives_after_the_clock_was_set_waits_as_long_as_ever(sweep, jump):
    sweep.left(0, study(0))
    sweep.set_by = jump
    arrived = study(0, 20.5 + jump)
    sweep.left(20, study(0))
    assert sweep.left(21, arrived) == pytest.approx(29.5)
    assert sweep.left(50.5, arrived) <= 0


def test_a_study_that_waits_no_more_is_forgotten(sweep):
    sweep.left(0, study(0))
    sweep.patience.look([], at(1), 1.0)
    with pytest.raises(KeyError):
        sweep.patience.left_s(1)
