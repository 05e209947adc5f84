"""Results follow the patient: what a reading of corrected images supersedes or withdraws."""

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.dicom.header import Header
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.jobs.decisions import Decisions
from daemon.ledger.jobs.inputs import Inputs
from daemon.ledger.jobs.leases import Leases
from daemon.ledger.jobs.standing import WITHDRAWAL
from daemon.ledger.overview import study_states
from daemon.ledger.withdrawals import Withdrawals
from daemon.records import Category, Reason
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
ANN = Header("1.2", "1.2.3.1", "1.2.3", patient_id="1", patient_name="MÖLLER^ANN" + " OF" * 200)
BEA = replace(ANN, patient_id="2", patient_name="BEA")


class Site:
    """One study whose image is sent again and again."""

    def __init__(self, ledger, queue):  # noqa: F811
        self.ledger, self.queue = ledger, queue

    def sent(self, content, header):
        """Receive and describe the image; return the job that reads it."""
        self.ledger.record([arrival(content=content)])
        [study] = self.ledger.waiting()
        inputs = Inputs(self.ledger)
        for one in inputs.undescribed(study.study_id):
            inputs.describe({one.instance_id: header.to_json()})
        self.queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
        return self.queue.claim("w", NOW, LEASE)

    def done(self, job, *uids, made=None):
        """Finish a job; one that withdraws writes its note behind its results."""
        header = job.instances[0].header
        made = made or reading()
        made = replace(made, images=(replace(made.images[0], header=header),))
        results = [result(uid) for uid in uids]
        if job.withdrawal is not None and results:
            results.append(replace(result(f"{uids[0]}.9"), kind=WITHDRAWAL))
        assert self.queue.finish(job, made, results, ["pacs"], NOW)

    def standing(self):
        found = Withdrawals(self.ledger).standing(Decisions(self.ledger).find("1.2.3"))
        return [one.sop_instance_uid for model in found for one in model.results]

    def due(self):
        due = Deliveries(self.ledger).due("pacs", LATER)
        return [one.result.sop_instance_uid for one in due]


@pytest.fixture
def site(ledger, queue):  # noqa: F811
    return Site(ledger, queue)


def test_the_results_of_another_patient_are_withdrawn_and_not_superseded(site):
    site.done(site.sent("a", ANN), "2.25.1", "2.25.2")
    job = site.sent("b", BEA)
    assert job.supersedes == ()
    assert [one.sop_instance_uid for one in job.withdrawal.objects] == ["2.25.1", "2.25.2"]
    assert job.withdrawal.header == ANN


def test_the_same_patient_with_other_content_is_superseded(site):
    site.done(site.sent("a", ANN), "2.25.1")
    job = site.sent("b", replace(ANN, patient_name="Möller^Ann" + " OF" * 200, body_part="WRIST"))
    assert job.withdrawal is None
    assert [one.sop_instance_uid for one in job.supersedes] == ["2.25.1"]


def test_what_was_not_sent_yet_is_sent_no_more_and_the_new_results_stand(site):
    site.done(site.sent("a", ANN), "2.25.1", "2.25.2")
    deliveries = Deliveries(site.ledger)
    deliveries.delivered(deliveries.due("pacs", LATER)[0], 0, NOW)
    deliveries.parked(deliveries.due("pacs", LATER)[0], 0xA900, "refused", NOW)
    site.done(site.sent("b", BEA), "2.25.3")
    assert site.due() == ["2.25.3.9", "2.25.3"]
    assert site.standing() == ["2.25.3"]
    [state] = study_states(site.ledger)
    assert state.deliveries == {"delivered": 1, "withdrawn": 1, "pending": 2}
    assert (state.superseded, state.withdrawn) == (0, 2)


def test_all_that_stands_is_withdrawn_what_was_superseded_too(site):
    site.done(site.sent("a", ANN), "2.25.1")
    site.done(site.sent("b", ANN), "2.25.2")
    [state] = study_states(site.ledger)
    assert (state.superseded, state.withdrawn, state.deliveries) == (1, 0, {"pending": 2})
    job = site.sent("c", BEA)
    assert [one.sop_instance_uid for one in job.withdrawal.objects] == ["2.25.1", "2.25.2"]


def test_results_beside_a_note_are_superseded_and_withdrawn_in_turn(site):
    site.done(site.sent("a", ANN), "2.25.1")
    site.done(site.sent("b", BEA), "2.25.2")
    job = site.sent("c", BEA)
    assert [one.sop_instance_uid for one in job.supersedes] == ["2.25.2"]
    site.done(job, "2.25.3")
    job = site.sent("a", ANN)
    assert [one.sop_instance_uid for one in job.withdrawal.objects] == ["2.25.2", "2.25.3"]
    assert job.withdrawal.header == BEA


def test_without_a_note_nothing_is_withdrawn(site):
    site.done(site.sent("a", ANN), "2.25.1")
    held = reading(Category.NOT_ANALYSED, Reason.IDENTITY_CONFLICT)
    site.done(site.sent("b", BEA), made=held)
    assert site.due() == site.standing() == ["2.25.1"]
    assert site.sent("c", BEA).withdrawal is not None


def test_a_job_that_lost_its_lease_withdraws_nothing(site):
    site.done(site.sent("a", ANN), "2.25.1")
    job = site.sent("b", BEA)
    Leases(site.ledger).expire(Leases(site.ledger).running())
    note = replace(result("2.25.9"), kind=WITHDRAWAL)
    assert not site.queue.finish(job, reading(), [note], ["pacs"], NOW)
    assert site.due() == site.standing() == ["2.25.1"]


def test_results_of_which_no_header_is_known_are_superseded(site):
    job = site.sent("a", ANN)
    assert site.queue.finish(job, reading(), [result()], ["pacs"], NOW)
    assert [one.sop_instance_uid for one in site.sent("b", BEA).supersedes] == ["2.25.1"]


def test_nothing_is_built_upon_what_a_person_withdrew(site):
    site.done(site.sent("a", ANN), "2.25.1")
    withdrawals = Withdrawals(site.ledger)
    [standing] = withdrawals.standing(Decisions(site.ledger).find("1.2.3"))
    assert standing.header == ANN
    note = replace(result("2.25.9"), kind=WITHDRAWAL)
    assert withdrawals.withdraw(standing, note, ["pacs"], NOW) == 1
    job = site.sent("b", BEA)
    assert (job.supersedes, job.withdrawal) == ((), None)
