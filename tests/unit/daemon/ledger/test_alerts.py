"""Alerts follow from the ledger and end with what they tell of; on both databases."""

from datetime import timedelta

from daemon.ledger.deliveries import Deliveries
from daemon.ledger.jobs.decisions import Decisions
from daemon.ledger.jobs.leases import Leases
from daemon.ledger.notes import Noted, Notes
from daemon.ledger.pulls import Pulls
from daemon.ledger.standing_alerts import Alert, standing_alerts
from daemon.records import Category, Reason
from daemon.signals import Signal
from tests.unit.daemon.ledger.test_ledger import (  # noqa: F401  # fixtures
    LEASE,
    NOW,
    arrival,
    ledger,
    one_job,
    queue,
    reading,
    result,
)

LATER = NOW + timedelta(hours=1)


def read(queue, reason, at=NOW, **options):  # noqa: F811
    """Read the job that is queued; it is not analysed."""
    job = queue.claim("w", at, LEASE)
    assert queue.finish(job, reading(Category.NOT_ANALYSED, reason), [], ["pacs"], at, **options)


def test_a_held_study_is_an_alert_until_it_is_released(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    read(queue, Reason.IDENTITY_CONFLICT)
    assert standing_alerts(ledger) == [Alert(Signal.STUDY_HELD, 1, NOW)]
    decisions = Decisions(ledger)
    decisions.release(decisions.find("1.2.3"), LATER)
    assert standing_alerts(ledger) == []


def test_a_study_in_quarantine_is_an_alert_until_somebody_decides(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    read(queue, Reason.FAILED_REPEATEDLY)
    assert standing_alerts(ledger) == [Alert(Signal.STUDY_QUARANTINED, 1, NOW)]
    decisions = Decisions(ledger)
    decisions.skip(decisions.find("1.2.3"), LATER)
    assert standing_alerts(ledger) == []


def test_what_no_model_read_is_an_alert_until_it_is_read(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    read(queue, Reason.MODEL_OFFLINE)
    assert standing_alerts(ledger) == [Alert(Signal.MODEL_OFFLINE, 1, NOW)]
    decisions = Decisions(ledger)
    decisions.replay(decisions.find("1.2.3"), {"wrist": "recipe"}, LATER)
    queue.finish(queue.claim("w", LATER, LEASE), reading(), [], ["pacs"], LATER)
    assert standing_alerts(ledger) == []


def test_a_study_that_two_models_failed_on_is_one_study(ledger, queue):  # noqa: F811
    ledger.record([arrival()])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "one", "hand": "other"}, NOW)
    read(queue, Reason.FAILED_REPEATEDLY)
    read(queue, Reason.FAILED_REPEATEDLY, LATER)
    assert standing_alerts(ledger) == [Alert(Signal.STUDY_QUARANTINED, 1, NOW)]


def test_a_parked_result_is_an_alert_until_it_is_sent_again(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    queue.finish(queue.claim("w", NOW, LEASE), reading(), [result()], ["pacs"], NOW)
    deliveries = Deliveries(ledger)
    deliveries.parked(deliveries.due("pacs", NOW)[0], 0xA900, "refused", LATER)
    assert standing_alerts(ledger) == [Alert(Signal.RESULT_PARKED, 1, LATER)]
    deliveries.retry_parked("pacs", LATER)
    assert standing_alerts(ledger) == []


def test_a_study_that_could_not_be_fetched_is_an_alert_until_it_comes(ledger):  # noqa: F811
    pulls = Pulls(ledger)
    pulls.found("archive", ["1.2.3"], NOW)
    pulls.failed(pulls.claim("archive", NOW, LEASE), "no answer", NOW)
    assert standing_alerts(ledger) == [Alert(Signal.PULL_GIVEN_UP, 1, NOW)]
    ledger.record([arrival(at=LATER)])
    assert standing_alerts(ledger) == []


def test_a_model_out_of_service_is_an_alert_and_a_slow_one_is_not(ledger):  # noqa: F811
    notes = Notes(ledger)
    notes.set(Noted(Signal.SLOWER, NOW, "wrist", "w"))
    notes.set(Noted(Signal.OUT_OF_SERVICE, NOW, "knee", "w"))
    assert standing_alerts(ledger) == [Alert(Signal.MODEL_OUT_OF_SERVICE, 1, NOW)]


def test_what_leaves_no_state_is_counted_with_the_job_that_it_happened_to(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    lost = queue.claim("w", NOW, LEASE)
    leases = Leases(ledger)
    leases.expire(leases.running())
    counts = {Signal.RESULT_LEFT_OUT: 2}
    assert not queue.finish(lost, reading(), [], ["pacs"], NOW, counts)
    assert not queue.put_off(lost, "memory", NOW, counts)
    assert standing_alerts(ledger) == []
    assert queue.finish(queue.claim("w", NOW, LEASE), reading(), [], ["pacs"], NOW, counts)
    assert standing_alerts(ledger) == [Alert(Signal.RESULT_LEFT_OUT, 2, None)]
