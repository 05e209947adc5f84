"""What waits comes when its time has come, and after a start at once, on both databases."""

from datetime import timedelta

import pytest

from daemon.ledger.commitments import Commitments
from daemon.ledger.jobs.decisions import Decisions
from daemon.ledger.promises import Promises
from daemon.ledger.pulls import Pulls
from daemon.ledger.waits import LONGEST_WAIT, wait_no_more
from tests.unit.daemon.ledger.test_ledger import (  # noqa: F401  # fixtures
    LEASE,
    NOW,
    ledger,
    one_job,
    queue,
    settled,
)

HOUR = timedelta(hours=1)
YEAR = timedelta(days=365)
SOON = NOW + timedelta(seconds=10)


@pytest.mark.parametrize("then", [NOW - YEAR, NOW - HOUR, NOW, NOW + HOUR, NOW + YEAR])
def test_what_was_never_tried_is_due_whatever_the_clock_said_when_it_came(ledger, queue, then):  # noqa: F811
    one_job(ledger, queue)
    Pulls(ledger).found("shelf", ["1.2"], then)
    Promises(ledger).requested("MODALITY", "2.25.5", {"1.2.3.1": "1.3"}, then)
    assert Pulls(ledger).claim("shelf", NOW, LEASE) is not None
    assert len(Promises(ledger).due(NOW)) == 1
    assert queue.claim("w", NOW, LEASE) is not None


def test_a_study_that_a_person_tries_again_is_due_though_his_clock_is_ahead(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    queue.retry(job, "OSError", SOON)
    decisions = Decisions(ledger)
    assert queue.claim("w", NOW, LEASE) is None
    decisions.retry(decisions.find("1.2.3"), NOW + HOUR)
    assert queue.claim("w", NOW, LEASE) is not None


def test_what_was_put_off_for_longer_than_anything_waits_is_due(ledger, queue):  # noqa: F811
    deliveries = settled(ledger, queue)
    [pacs] = deliveries.due("pacs", NOW)
    deliveries.postponed(pacs, None, "no answer", NOW + YEAR)
    assert len(deliveries.due("pacs", NOW)) == 1
    deliveries.postponed(pacs, None, "no answer", NOW + LONGEST_WAIT)
    assert deliveries.due("pacs", NOW) == []


def test_a_start_waits_for_nothing_that_was_put_off_before(ledger, queue):  # noqa: F811
    deliveries = settled(ledger, queue)
    [pacs] = deliveries.due("pacs", NOW)
    [archive] = deliveries.due("archive", NOW)
    deliveries.postponed(pacs, None, "no answer", SOON)
    deliveries.delivered(archive, 0, NOW, to_be_promised=True)
    commitments = Commitments(ledger)
    commitments.asked(commitments.wanted("archive", NOW), "2.25.77", NOW + 5 * HOUR)
    wait_no_more(ledger, NOW, HOUR)
    assert len(deliveries.due("pacs", NOW)) == 1
    assert commitments.wanted("archive", NOW) == []
    assert len(commitments.wanted("archive", NOW + HOUR)) == 1
