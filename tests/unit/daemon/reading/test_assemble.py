"""When a study is complete."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.reading.assemble import is_complete
from daemon.records import WaitingStudy
from daemon.settings import Assembly

RULE = Assembly(quiet_period_s=30.0, hard_cap_s=300.0)
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since_first_s", "since_last_s", "complete"),
    [
        pytest.param(100, 29.9, False, id="an instance came within the quiet period"),
        pytest.param(100, 30, True, id="quiet for long enough"),
        pytest.param(299, 1, False, id="busy, and the hard cap is not reached"),
        pytest.param(300, 1, True, id="busy, but the hard cap is reached"),
        pytest.param(-10, -10, False, id="the clock stepped back a little"),
        pytest.param(-9999, -9999, True, id="the clock stepped back by hours"),
    ],
)
def test_a_study_is_complete_when_quiet_or_overdue(since_first_s, since_last_s, complete):
    study = WaitingStudy(
        study_id=1,
        study_uid="1.2",
        waiting_since=NOW - timedelta(seconds=since_first_s),
        last_arrival_at=NOW - timedelta(seconds=since_last_s),
    )
    assert is_complete(study, NOW, RULE) is complete
