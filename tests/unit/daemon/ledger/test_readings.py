"""What the ledger keeps of readings: the newest finished one of each study, with its scores."""

from daemon.ledger.jobs.decisions import Decisions, Done
from daemon.ledger.jobs.readings import StoredReading, stored_readings
from daemon.records import Category, FindingScore, Reason
from tests.unit.daemon.ledger.test_ledger import (  # noqa: F401  # fixtures
    LEASE,
    NOW,
    ledger,
    one_job,
    queue,
    reading,
)

SCORE = FindingScore("fracture", 0.9, Category.POSITIVE, 0.3, 0.7)


def test_a_study_that_is_not_read_yet_has_no_reading(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    assert stored_readings(ledger) == []


def test_the_newest_finished_reading_counts_and_one_under_way_does_not(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    first = queue.claim("w", NOW, LEASE)
    unread = reading(Category.NOT_ANALYSED, Reason.UNREADABLE)
    assert queue.finish(first, unread, [], [], NOW)
    assert stored_readings(ledger) == [StoredReading("1.2.3", "wrist", Category.NOT_ANALYSED, ())]
    study = Decisions(ledger).find("1.2.3")
    assert Decisions(ledger).replay(study, {"wrist": "another recipe"}, NOW) == Done(jobs=1)
    assert len(stored_readings(ledger, study)) == 1
    again = queue.claim("w", NOW, LEASE)
    assert queue.finish(again, reading(), [], [], NOW)
    expected = [StoredReading("1.2.3", "wrist", Category.POSITIVE, (SCORE,))]
    assert stored_readings(ledger) == stored_readings(ledger, study) == expected


def test_another_study_is_left_out_when_one_is_asked_for(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    assert queue.finish(job, reading(), [], [], NOW)
    assert stored_readings(ledger, Decisions(ledger).find("1.2.3") + 1) == []
