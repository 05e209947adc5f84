"""Jobs of several models: each goes to the reader, or to the reason, of the model it names."""

from datetime import UTC, datetime

import pytest

from daemon.reading.readers import Readers, unknown
from daemon.records import Category, Job, Reason, StudyReading

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


class Reader:
    """Tells for which reason a study was not read."""

    def unread(self, job, reason, now, identity=None):
        return StudyReading(job.study_uid, Category.NOT_ANALYSED, reason, (), identity, "", now)


READERS = Readers({"wrist": Reader()}, {"knee": unknown("knee")}, holds=["trial"])


def job(name, reason=None, *, is_released=False):
    return Job(1, "1.2", 1, "w", NOW, (), reason=reason, model_name=name, is_released=is_released)


def opened(one):
    return READERS.open(one, NOW, lambda: None).reason


@pytest.mark.parametrize("reason", [None, Reason.VIEWS_MISSING, Reason.FAILED_REPEATEDLY])
def test_a_rule_that_holds_outweighs_every_other_reason(reason):
    assert opened(job("trial", reason)) is Reason.HELD_BY_RULE
    assert READERS.unread(job("trial"), Reason.MODEL_OFFLINE, NOW).reason is Reason.HELD_BY_RULE


def test_what_a_rule_held_and_a_person_released_has_no_model():
    assert opened(job("trial", is_released=True)) is Reason.NO_MODEL


@pytest.mark.parametrize(("name", "why"), [("knee", "model offline"), ("gone", Reason.NO_MODEL)])
def test_a_model_that_cannot_be_asked_says_why(name, why):
    assert opened(job(name)) == why
    assert opened(job(name, Reason.VIEWS_MISSING)) is Reason.VIEWS_MISSING
