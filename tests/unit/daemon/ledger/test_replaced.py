"""Other content under a known SOP Instance UID: the newest is the input, on both databases."""

import hashlib
from datetime import timedelta
from threading import Thread

from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

from daemon.dicom.header import Header
from daemon.ledger.jobs.decisions import Decisions, Done
from daemon.ledger.jobs.inputs import Inputs, inputs_digest
from daemon.ledger.overview import study_states
from daemon.ledger.retention import Retention
from daemon.ledger.schema import MIGRATIONS, bring_up_to_date
from daemon.ledger.tables import InstanceRow, JobRow
from daemon.records import Instance, Reason, Receipt
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


def moved(number=1, study="1.2.4", content="b", at=LATER):
    """An image of study 1.2.3 that the archive has put into another study."""
    one = vars(arrival(number, content=content, at=at))
    return type(arrival())(**one | {"study_uid": study})


def read_all(ledger, queue, uid="2.25.1"):  # noqa: F811
    """Read what waits; return the jobs."""
    jobs = []
    for study in ledger.waiting():
        if queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW):
            job = queue.claim("w", NOW, LEASE)
            assert queue.finish(job, reading(), [result(f"{uid}.{job.job_id}")], ["pacs"], NOW)
            jobs.append(job)
    return jobs


def contents(job):
    return [(one.digest[0], one.revision) for one in job.instances]


def test_the_newest_content_is_the_input_and_is_read(ledger, queue):  # noqa: F811
    ledger.record([arrival()])
    [first] = read_all(ledger, queue)
    assert ledger.record([arrival(content="b", at=LATER)]) == [Receipt.REPLACED]
    [study] = ledger.waiting()
    assert (study.waiting_since, study.last_arrival_at) == (LATER, LATER)
    [second] = read_all(ledger, queue)
    assert contents(first) == [("a", 0)]
    assert contents(second) == [("b", 1)]
    assert [old.sop_instance_uid for old in second.supersedes] == ["2.25.1.1"]
    assert ledger.files() == {"1.2.3/1-a.dcm", "1.2.3/1-b.dcm"}
    assert study_states(ledger)[0].instances == 1


def test_the_present_content_sent_again_changes_nothing(ledger, queue):  # noqa: F811
    ledger.record([arrival(), arrival(content="b")])
    read_all(ledger, queue)
    assert ledger.record([arrival(content="b", at=LATER)]) == [Receipt.DUPLICATE]
    assert ledger.waiting() == []


def test_content_that_comes_back_is_read_again(ledger, queue):  # noqa: F811
    receipts, read = [], []
    for content in "aba":
        receipts += ledger.record([arrival(content=content)])
        read += [contents(job) for job in read_all(ledger, queue)]
    assert receipts == [Receipt.NEW, Receipt.REPLACED, Receipt.REPLACED]
    assert read == [[("a", 0)], [("b", 1)], [("a", 2)]]
    assert len(ledger.files()) == 2


def test_contents_that_come_together_count_in_their_order(ledger, queue):  # noqa: F811
    sent = [arrival(content=content) for content in "abca"]
    assert ledger.record(sent) == [Receipt.NEW] + [Receipt.REPLACED] * 3
    [job] = read_all(ledger, queue)
    assert contents(job) == [("a", 3)]


def test_of_contents_that_come_at_once_one_counts(ledger):  # noqa: F811
    threads = [
        Thread(target=ledger.record, args=([arrival(content=content)],)) for content in "abcdefgh"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.snapshot() as connection:
        rows = connection.execute(select(InstanceRow.revision, InstanceRow.replaced)).all()
    assert sorted(row.revision for row in rows) == list(range(8))
    assert [row.revision for row in rows if not row.replaced] == [7]


def test_an_image_that_is_moved_leaves_its_study_which_is_read_again(ledger, queue):  # noqa: F811
    ledger.record([arrival(2)])
    read_all(ledger, queue)  # what will be left was read once before
    ledger.record([arrival(1)])
    read_all(ledger, queue)
    assert ledger.record([moved()]) == [Receipt.REPLACED]
    assert {study.study_uid for study in ledger.waiting()} == {"1.2.3", "1.2.4"}
    read = {job.study_uid: job for job in read_all(ledger, queue)}
    assert contents(read["1.2.4"]) == [("b", 1)]
    assert [one.sop_instance_uid for one in read["1.2.3"].instances] == ["1.2.3.2"]
    assert [old.sop_instance_uid for old in read["1.2.3"].supersedes] == ["2.25.1.2"]


def test_a_study_that_lost_every_image_is_counted_and_not_read(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    ledger.record([moved()])
    read = read_all(ledger, queue)
    assert [job.study_uid for job in read] == ["1.2.4"]
    assert ledger.counters() == {"alert_study_emptied": 1}
    assert queue.claim("w", LATER, LEASE) is None
    [emptied] = [one for one in study_states(ledger) if one.study_uid == "1.2.3"]
    assert (emptied.state, emptied.instances) == ("skipped", 0)
    decisions = Decisions(ledger)
    assert decisions.replay(decisions.find("1.2.3"), {"wrist": "recipe"}, LATER) == Done()


def test_an_emptied_study_that_was_never_read_can_be_purged(ledger, queue):  # noqa: F811
    ledger.record([arrival()])
    ledger.record([moved()])
    assert Retention(ledger).old_inputs(MONTH) == []
    for study in ledger.waiting():
        queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    assert [old.files for old in Retention(ledger).old_inputs(MONTH)] == [("1.2.3/1-a.dcm",)]


def test_a_replaced_image_is_not_read_again_by_a_person_either(ledger, queue):  # noqa: F811
    ledger.record([arrival()])
    read_all(ledger, queue)
    ledger.record([arrival(content="b", at=LATER)])
    decisions = Decisions(ledger)
    assert decisions.replay(decisions.find("1.2.3"), {"wrist": "recipe"}, LATER) == Done()


def test_no_job_is_read_after_a_newer_one_of_its_study(ledger, queue):  # noqa: F811
    one_job(ledger, queue)
    old = queue.claim("w", NOW, LEASE)
    ledger.record([arrival(content="b")])
    [study] = ledger.waiting()
    [newer] = queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    assert queue.retry(old, "OSError", NOW)
    assert queue.claim("w", NOW, LEASE).job_id == newer
    with ledger.snapshot() as connection:
        row = connection.execute(select(JobRow.state, JobRow.worker).order_by(JobRow.id)).first()
    assert tuple(row) == ("skipped", None)
    assert not queue.finish(old, reading(), [result()], ["pacs"], NOW)


def test_first_contents_keep_the_job_keys_they_had(ledger, queue):  # noqa: F811
    ledger.record([arrival(2), arrival(1, content="c")])
    [job] = read_all(ledger, queue)
    before = f"1.2.3.1 {'c' * 64}\n1.2.3.2 {'a' * 64}"
    assert inputs_digest(job.instances) == hashlib.sha256(before.encode()).hexdigest()
    with ledger.snapshot() as connection:
        assert connection.scalar(select(JobRow.inputs_digest)) == inputs_digest(job.instances)


def test_a_revision_changes_the_digest_and_the_order_of_images_does_not():
    one, two = (Instance(n, f"1.{n}", "1.2", "p", "f", "d") for n in (1, 2))
    again = Instance(2, "1.2", "1.2", "p", "f", "d", revision=2)
    assert inputs_digest([one, two]) == inputs_digest([two, one])
    assert inputs_digest([one, two]) != inputs_digest([one, again])


def test_the_site_may_have_studies_with_changed_content_held(ledger, queue):  # noqa: F811
    ledger.record([arrival()])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW, hold_changed=True)
    assert queue.claim("w", NOW, LEASE).reason is None
    ledger.record([arrival(content="b")])
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW, hold_changed=True)
    queue.release("w")
    assert queue.claim("w", NOW, LEASE).reason is Reason.CONTENT_CHANGED


def test_headers_are_written_down_once_and_come_with_the_images(ledger, queue):  # noqa: F811
    ledger.record([arrival(1), arrival(2), arrival(2, content="b")])
    inputs, [study] = Inputs(ledger), ledger.waiting()
    one, two = inputs.undescribed(study.study_id)
    assert one.file == "1.2.3/1-a.dcm"
    header = Header("1.2", "1.2.3.1", "1.2.3", patient_id="1", patient_name="Möller^Ann")
    inputs.describe(
        {one.instance_id: header.to_json(), two.instance_id: "what another version wrote"}
    )
    assert inputs.undescribed(study.study_id) == ()
    assert [one.header for one in inputs.waiting(study.study_id)] == [header, None]
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    assert [one.header for one in queue.claim("w", NOW, LEASE).instances] == [header, None]


def test_what_was_kept_beside_before_stays_out_until_it_comes_again(ledger, queue):  # noqa: F811
    ledger.record([arrival(), arrival(content="b"), arrival(content="c")])
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = ledger.engine
    command.downgrade(config, "0040")
    with ledger.transaction() as connection:
        connection.execute(text("UPDATE instance SET conflicting = (digest NOT LIKE 'a%')"))
    bring_up_to_date(ledger.engine)
    assert contents(read_all(ledger, queue)[0]) == [("a", 0)]
    assert ledger.record([arrival(content="b")]) == [Receipt.REPLACED]
    assert contents(read_all(ledger, queue)[0]) == [("b", 3)]
