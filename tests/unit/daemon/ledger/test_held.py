"""Held studies: what holds them, what lets them go, on both databases."""

from datetime import timedelta

import pytest

from daemon.errors import Rejected
from daemon.ledger.jobs.decisions import Decisions, Done
from daemon.ledger.overview import study_states
from daemon.ledger.retention import Retention
from daemon.records import HELD, Category, Reason
from tests.unit.daemon.ledger.test_ledger import (  # noqa: F401  # fixtures
    LEASE,
    NOW,
    arrival,
    ledger,
    queue,
    reading,
    result,
)

LATER = NOW + timedelta(hours=1)
MONTH = NOW + timedelta(days=31)


def read(ledger, queue, made, results=(), **options):  # noqa: F811
    """Read the study that waits."""
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW, **options)
    job = queue.claim("w", NOW, LEASE)
    assert queue.finish(job, made, results, ["pacs"], NOW)
    return job


def held(reason=Reason.IDENTITY_CONFLICT):
    return reading(Category.NOT_ANALYSED, reason)


@pytest.fixture(params=HELD, ids=lambda reason: reason.name)
def decisions(ledger, queue, request):  # noqa: F811
    """A ledger with one study of two images, held."""
    ledger.record([arrival(1), arrival(2)])
    read(ledger, queue, held(request.param))
    return Decisions(ledger)


def test_a_released_study_is_read_with_the_same_images(ledger, queue, decisions):  # noqa: F811
    [before] = study_states(ledger)
    assert (before.state, before.is_held, before.is_released) == ("done", True, False)
    assert decisions.release(decisions.find("1.2.3"), LATER) == Done(jobs=1)
    job = queue.claim("w", LATER, LEASE)
    assert (job.is_released, job.reason, len(job.instances)) == (True, None, 2)
    assert queue.finish(job, reading(), [result()], ["pacs"], LATER)
    [after] = study_states(ledger)
    assert (after.is_held, after.is_released, after.category) == (False, True, "positive")


def test_a_study_is_released_once(queue, decisions):  # noqa: F811
    study = decisions.find("1.2.3")
    decisions.release(study, LATER)
    with pytest.raises(Rejected, match="not held"):
        decisions.release(study, LATER)


def test_retry_says_that_a_study_is_held(decisions):
    with pytest.raises(Rejected, match="wristd release"):
        decisions.retry(decisions.find("1.2.3"), LATER)


def test_a_replay_lets_nothing_go(queue, decisions):  # noqa: F811
    study = decisions.find("1.2.3")
    assert decisions.replay(study, {"wrist": "another recipe"}, LATER) == Done(jobs=1)
    job = queue.claim("w", LATER, LEASE)
    assert not job.is_released
    assert job.reason in (None, Reason.CONTENT_CHANGED)


def test_a_released_study_stays_released_when_it_is_tried_again(queue, decisions):  # noqa: F811
    study = decisions.find("1.2.3")
    decisions.release(study, LATER)
    failed = reading(Category.NOT_ANALYSED, Reason.FAILED_REPEATEDLY)
    assert queue.finish(queue.claim("w", LATER, LEASE), failed, [], ["pacs"], LATER)
    assert decisions.retry(study, LATER) == Done(jobs=1)
    assert queue.claim("w", LATER, LEASE).is_released


def test_a_late_image_holds_a_released_study_anew(ledger, queue, decisions):  # noqa: F811
    decisions.release(decisions.find("1.2.3"), LATER)
    ledger.record([arrival(3, at=LATER)])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, LATER)
    job = queue.claim("w", LATER, LEASE)
    assert (len(job.instances), job.is_released) == (3, False)


def test_a_held_study_that_is_mended_and_sent_again_is_read(ledger, queue, decisions):  # noqa: F811
    ledger.record([arrival(1, at=LATER), arrival(2, content="b", at=LATER)])
    with pytest.raises(Rejected, match="read anew"):
        decisions.release(decisions.find("1.2.3"), LATER)
    job = read(ledger, queue, reading(), [result()])
    assert [one.digest[0] for one in job.instances] == ["a", "b"]
    [state] = study_states(ledger)
    assert (state.is_held, state.deliveries) == (False, {"pending": 1})


def test_a_held_study_is_kept_until_it_was_mended_or_released(ledger, queue, decisions):  # noqa: F811
    retention = Retention(ledger)
    assert retention.old_inputs(MONTH) == []
    decisions.release(decisions.find("1.2.3"), LATER)
    assert retention.old_inputs(MONTH) == []
    job = queue.claim("w", LATER, LEASE)
    assert queue.finish(job, reading(), [], ["pacs"], LATER)
    assert len(retention.old_inputs(MONTH)) == 1


def test_what_is_not_held_is_not_released(ledger, queue):  # noqa: F811
    ledger.record([arrival()])
    decisions = Decisions(ledger)
    study = decisions.find("1.2.3")
    for made in (None, reading(), held(Reason.UNREADABLE)):
        if made is not None:
            read(ledger, queue, made)
            ledger.record([arrival(2, content=made.category[0])])
        with pytest.raises(Rejected, match="not held"):
            decisions.release(study, LATER)
