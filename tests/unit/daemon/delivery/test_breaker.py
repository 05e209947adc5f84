"""The circuit breaker: silence opens it, an answer closes it."""

from datetime import UTC, datetime, timedelta

from daemon.delivery.breaker import Breaker
from daemon.settings import DeliverySettings

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SETTINGS = DeliverySettings(breaker_failures=3, first_delay_s=10.0, max_delay_s=60.0)


def test_it_opens_after_so_many_silent_attempts_and_says_so_once():
    breaker = Breaker(SETTINGS)
    assert [breaker.failed(NOW) for _ in range(5)] == [False, False, True, False, False]
    assert breaker.is_open(NOW)


def test_an_answer_in_between_starts_the_count_anew():
    breaker = Breaker(SETTINGS)
    breaker.failed(NOW)
    breaker.failed(NOW)
    assert not breaker.worked()
    assert not breaker.failed(NOW)
    assert not breaker.is_open(NOW)


def test_it_is_on_trial_when_its_time_is_over_and_an_answer_closes_it():
    breaker = Breaker(SETTINGS)
    for _ in range(3):
        breaker.failed(NOW)
    later = NOW + timedelta(seconds=SETTINGS.first_delay_s)
    assert not breaker.is_open(later)
    assert breaker.is_on_trial
    assert breaker.worked()
    assert not breaker.is_on_trial


def test_it_stays_open_longer_each_time_up_to_the_ceiling():
    breaker = Breaker(SETTINGS)
    for _ in range(50):
        breaker.failed(NOW)
    assert breaker.is_open(NOW + timedelta(seconds=SETTINGS.max_delay_s / 2 - 1))
    assert not breaker.is_open(NOW + timedelta(seconds=SETTINGS.max_delay_s))
