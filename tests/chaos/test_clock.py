"""The wall clock is set while the daemon runs: nothing is delayed, nothing early, no lease lost."""

from time import monotonic

import pytest

from tests.chaos.plant import FIRST_DELAY_S, QUIET_S, RECOVERS_WITHIN_S, plant
from tests.support.tools import wait_until

HOUR_S, YEAR_S = 3600.0, 365 * 86400.0
JUMPS = [-HOUR_S, HOUR_S, -YEAR_S, YEAR_S]


@pytest.fixture(scope="module")
def running(tmp_path_factory, tiny_package):
    with plant(tmp_path_factory.mktemp("clock"), tiny_package) as opened:
        yield opened


@pytest.mark.parametrize("jump", JUMPS)
def test_a_study_that_waits_is_complete_after_its_quiet_period_and_not_before(running, jump):
    began = monotonic()
    study = running.send(f"waits {jump}")
    running.wall.set_by(jump)
    running.wait_for(study, "waiting")
    wait_until(lambda: running.state(study).state != "waiting", "a job")
    took = monotonic() - began
    assert QUIET_S <= took < QUIET_S + RECOVERS_WITHIN_S
    running.wait_for_results(study)
    assert running.state(study).attempts == 1


@pytest.mark.parametrize("jump", JUMPS)
def test_a_job_that_runs_keeps_its_lease_and_is_read_once(running, jump):
    with running.decoders_held():
        study = running.send(f"runs {jump}")
        running.wait_for(study, "running")
        running.site.leases.turn()
        running.wall.set_by(jump)
        assert running.site.leases.turn() == 0
    running.wait_for_results(study)
    assert (running.state(study).state, running.state(study).attempts) == ("done", 1)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_delivery_that_was_put_off_is_made_when_its_wait_is_over_and_not_before(running, jump):
    running.mood.next = 0xA700
    asked = len(running.mood.asked)
    study = running.send(f"backs off {jump}")
    wait_until(lambda: "pending" in running.state(study).deliveries, "a refused result")
    wait_until(lambda: "delivered" in running.state(study).deliveries, "the other results")
    running.wall.set_by(jump)
    running.wait_for_results(study)
    refused, again = running.mood.asked[asked], running.mood.asked[-1]
    assert FIRST_DELAY_S / 2 <= again - refused < FIRST_DELAY_S + RECOVERS_WITHIN_S
    assert {len(copies) for copies in running.archive.kept.values()} == {1}


def test_that_the_clock_was_set_is_said_in_words(running, caplog):
    caplog.handler.setLevel("WARNING")
    running.site.vigil.turn()
    running.wall.set_by(HOUR_S)
    words = "the clock of this machine was set forward by 3600 s"
    wait_until(lambda: words in caplog.text, "a word about the clock")
    running.site.vigil.turn()
    assert caplog.text.count(words) == 1
