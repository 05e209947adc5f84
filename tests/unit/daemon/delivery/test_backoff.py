"""The waits between attempts."""

from daemon.delivery.backoff import delay_s
from daemon.settings import DeliverySettings

SETTINGS = DeliverySettings(first_delay_s=10.0, max_delay_s=600.0)


def test_waits_double_up_to_the_ceiling():
    longest = [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0]
    for failures, limit in enumerate(longest, start=1):
        assert limit / 2 <= delay_s(failures, 1, SETTINGS) <= limit


def test_a_thousand_failures_still_wait_no_longer_than_the_ceiling():
    assert delay_s(10_000, 1, SETTINGS) <= 600.0


def test_the_same_delivery_and_attempt_always_wait_equally_long():
    assert delay_s(3, 7, SETTINGS) == delay_s(3, 7, SETTINGS)


def test_deliveries_that_failed_together_are_spread():
    waits = [delay_s(1, number, SETTINGS) for number in range(100)]
    assert len(set(waits)) == 100
    assert max(waits) - min(waits) > 4.0
