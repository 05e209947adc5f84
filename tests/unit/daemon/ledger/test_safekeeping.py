"""Commitments, promises, retention and decisions, on both databases."""

from datetime import timedelta

import pytest

from daemon.ledger.commitments import Commitments
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.jobs.decisions import Decisions, Done
from daemon.ledger.jobs.queue import URGENT
from daemon.ledger.overview import backlog, oldest
from daemon.ledger.promises import Promises
from daemon.ledger.retention import Retention
from daemon.logs import study_key
from daemon.records import Category, Reason
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
MONTH = NOW + timedelta(days=31)
DX = "1.2.840.10008.5.1.4.1.1.1.1"


@pytest.fixture
def delivered(ledger, queue):  # noqa: F811
    """One study, read, its result delivered and to be promised."""
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    assert queue.finish(job, reading(), [result()], ["pacs"], NOW)
    deliveries = Deliveries(ledger)
    [one] = deliveries.due("pacs", NOW)
    deliveries.delivered(one, 0, NOW, to_be_promised=True)
    return one


def study_id(ledger):  # noqa: F811
    found = Decisions(ledger).find("1.2.3")
    assert found is not None
    return found


def test_a_destination_is_asked_once_and_then_again_without_a_report(ledger, delivered):  # noqa: F811
    commitments = Commitments(ledger)
    assert commitments.wanted("pacs", NOW) == [*commitments.wanted("pacs", NOW)]
    wanted = commitments.wanted("pacs", NOW)
    commitments.asked(wanted, "2.25.77", LATER)
    assert commitments.wanted("pacs", NOW) == []
    assert len(commitments.wanted("pacs", LATER)) == 1
    assert backlog(ledger)["commitments asked"] == 1
    assert oldest(ledger)["open commitments"] == NOW


def test_a_report_settles_what_it_names_and_nothing_else(ledger, delivered):  # noqa: F811
    commitments = Commitments(ledger)
    commitments.asked(commitments.wanted("pacs", NOW), "2.25.77", LATER)
    assert commitments.kept("2.25.78", ["2.25.1"]) == 0
    assert commitments.kept("2.25.77", ["2.25.2"]) == 0
    assert commitments.kept("2.25.77", ["2.25.1"]) == 1
    assert commitments.wanted("pacs", LATER) == []
    assert "commitments asked" not in backlog(ledger)


def test_what_a_destination_does_not_keep_is_sent_again(ledger, delivered):  # noqa: F811
    commitments = Commitments(ledger)
    commitments.asked(commitments.wanted("pacs", NOW), "2.25.77", LATER)
    assert commitments.not_kept("2.25.77", ["2.25.1"], "0112", LATER) == 1
    assert Deliveries(ledger).due("pacs", NOW) == []
    [again] = Deliveries(ledger).due("pacs", LATER)
    assert again.result.sop_instance_uid == "2.25.1"


def test_a_promise_is_noted_once_and_stays_until_it_is_reported(ledger):  # noqa: F811
    promises = Promises(ledger)
    for _ in range(2):
        promises.requested("MODALITY", "2.25.5", {"1.2.3.1": DX, "1.2.3.9": DX}, NOW)
    [promise] = promises.due(NOW)
    assert promise.items == {"1.2.3.1": DX, "1.2.3.9": DX}
    promises.put_off([promise], LATER)
    assert promises.due(NOW) == []
    [promise] = promises.due(LATER)
    assert promise.attempts == 1
    promises.settled(promise)
    assert promises.due(LATER) == []


def test_only_what_is_on_the_disk_under_that_class_is_promised(ledger):  # noqa: F811
    ledger.record([arrival(1), arrival(2), arrival(3)])
    wanted = {"1.2.3.1": DX, "1.2.3.2": "1.2.840.1", "1.2.3.3": DX, "1.2.3.4": DX}
    gone = arrival(3).file
    assert Promises(ledger).keep(wanted, lambda file: file != gone, NOW) == {"1.2.3.1"}


def test_only_settled_studies_are_purged(ledger, queue, delivered):  # noqa: F811
    retention, commitments = Retention(ledger), Commitments(ledger)
    assert retention.old_inputs(MONTH) == []
    assert retention.old_results(MONTH) == []
    commitments.asked(commitments.wanted("pacs", NOW), "2.25.77", LATER)
    assert retention.old_inputs(MONTH) == []
    commitments.kept("2.25.77", ["2.25.1"])
    assert retention.old_inputs(NOW) == []
    [old] = retention.old_inputs(MONTH)
    assert old.files == ("1.2.3/1-a.dcm",)
    [done] = retention.old_results(MONTH)
    retention.forget_inputs([old])
    retention.forget_results([done], MONTH)
    assert retention.old_inputs(MONTH) == []
    assert retention.old_results(MONTH) == []
    assert ledger.files() == set()


def test_purged_images_that_come_again_make_no_second_job(ledger, queue, delivered):  # noqa: F811
    Commitments(ledger).asked(Commitments(ledger).wanted("pacs", NOW), "2.25.77", LATER)
    Commitments(ledger).kept("2.25.77", ["2.25.1"])
    Retention(ledger).forget_inputs(Retention(ledger).old_inputs(MONTH))
    ledger.record([arrival(at=MONTH)])
    [study] = ledger.waiting()
    assert queue.enqueue(study.study_id, {"wrist": "recipe"}, MONTH) == []


def test_what_was_promised_to_a_peer_is_never_purged(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    assert queue.finish(job, reading(), [], ["pacs"], NOW)
    assert len(Retention(ledger).old_inputs(MONTH)) == 1
    Promises(ledger).keep({"1.2.3.1": DX}, lambda _file: True, NOW)
    assert Retention(ledger).old_inputs(MONTH) == []


@pytest.mark.parametrize("reason", [Reason.FAILED_REPEATEDLY, Reason.IDENTITY_CONFLICT])
def test_what_a_person_must_look_at_is_never_purged(ledger, queue, reason):  # noqa: F811
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    assert queue.finish(job, reading(Category.NOT_ANALYSED, reason), [], ["pacs"], NOW)
    assert Retention(ledger).old_inputs(MONTH) == []


def test_a_study_is_found_by_its_pseudonym(ledger):  # noqa: F811
    ledger.record([arrival()])
    assert Decisions(ledger).find(study_key("1.2.3")) == study_id(ledger)
    assert Decisions(ledger).find("1.2.4") is None


def test_retrying_a_quarantined_study_makes_a_new_job_with_its_images(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    failed = reading(Category.NOT_ANALYSED, Reason.FAILED_REPEATEDLY)
    assert queue.finish(job, failed, [result()], ["pacs"], NOW)
    assert Decisions(ledger).retry(study_id(ledger), LATER, urgent=True) == Done(jobs=1)
    again = queue.claim("w", LATER, LEASE)
    assert again.instances == job.instances
    assert [old.sop_instance_uid for old in again.supersedes] == ["2.25.1"]
    assert queue.finish(again, reading(), [result("2.25.2")], ["pacs"], LATER)
    assert backlog(ledger)["jobs done"] == 1
    assert backlog(ledger)["jobs skipped"] == 1


def test_an_urgent_study_is_claimed_before_older_ones(ledger, queue):  # noqa: F811
    for number in range(3):
        ledger.record([arrival(study=f"1.2.{number}")])
    for study in ledger.waiting():
        queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    found = Decisions(ledger).find("1.2.2")
    Decisions(ledger).retry(found, NOW, urgent=True)
    assert queue.claim("w", NOW, LEASE).study_uid == "1.2.2"
    ledger.record([arrival(study="1.2.9")])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW, priority=URGENT)
    assert queue.claim("w", NOW, LEASE).study_uid == "1.2.9"


def test_a_skipped_study_is_neither_read_nor_sent(ledger, queue, delivered):  # noqa: F811
    ledger.record([arrival(2)])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    running = queue.claim("w", NOW, LEASE)
    assert Decisions(ledger).skip(study_id(ledger), NOW).jobs == 1
    assert not queue.finish(running, reading(), [result("2.25.2")], ["pacs"], NOW)
    assert queue.claim("w", LATER, LEASE) is None


def test_replaying_the_same_answer_makes_no_second_result(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    assert queue.finish(job, reading(), [result()], ["pacs"], NOW)
    assert Decisions(ledger).replay(study_id(ledger), {"wrist": "recipe"}, NOW) == Done(jobs=1)
    again = queue.claim("w", NOW, LEASE)
    assert queue.finish(again, reading(), [result()], ["pacs"], NOW)
    assert len(Deliveries(ledger).due("pacs", LATER)) == 1


def test_a_job_that_nobody_claimed_gives_way_to_one_with_more_images(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    ledger.record([arrival(2)])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    assert len(queue.claim("w", NOW, LEASE).instances) == 2
    assert queue.claim("w", LATER, LEASE) is None


def test_a_study_is_read_by_one_worker_at_a_time(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    first = queue.claim("one", NOW, LEASE)
    ledger.record([arrival(2)])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    assert queue.claim("two", NOW, LEASE) is None
    assert queue.finish(first, reading(), [result()], ["pacs"], NOW)
    second = queue.claim("two", NOW, LEASE)
    assert [old.sop_instance_uid for old in second.supersedes] == ["2.25.1"]


def test_a_job_carries_the_reason_why_it_is_not_to_be_analysed(ledger, queue):  # noqa: F811
    ledger.record([arrival()])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW, reason=Reason.VIEWS_MISSING)
    assert queue.claim("w", NOW, LEASE).reason is Reason.VIEWS_MISSING
