"""The ledger: arrivals, jobs, deliveries on a real SQLite file."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select

from daemon.errors import Misconfigured, Unavailable
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.jobs.leases import Leases
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import backlog, study_states
from daemon.ledger.schema import MIGRATIONS, bring_up_to_date
from daemon.ledger.tables import Base
from daemon.records import (
    Arrival,
    Category,
    FindingScore,
    ImageReading,
    ModelIdentity,
    Reason,
    Receipt,
    ResultFile,
    StudyReading,
)
from daemon.signals import Signal
from tests.support.ledgers import empty_database, empty_file

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def ledger(request, tmp_path):
    """The same suite runs on both databases (`make quick`: on SQLite alone)."""
    if request.param == "sqlite":
        where = empty_file(tmp_path / "ledger.sqlite")
    else:
        where = empty_database(request.getfixturevalue("postgres_url"))
    opened = Ledger(where)
    yield opened
    opened.close()


@pytest.fixture
def queue(ledger):
    return Queue(ledger)


def arrival(number=1, study="1.2.3", content="a", at=NOW):
    return Arrival(
        study_uid=study,
        sop_instance_uid=f"{study}.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        patient_key="p",
        digest=content * 64,
        file=f"{study}/{number}-{content}.dcm",
        size=10,
        calling_ae="MODALITY",
        received_at=at,
    )


def reading(category=Category.POSITIVE, reason=None):
    score = FindingScore("fracture", 0.9, Category.POSITIVE, 0.3, 0.7)
    image = ImageReading("1.2.3.1", category, reason, (score,) if reason is None else ())
    model = ModelIdentity("m", "1", "d", "none", "CPUExecutionProvider")
    return StudyReading("1.2.3", category, reason, (image,), model, "s", NOW)


def result(uid="2.25.1"):
    return ResultFile("SR", "1.2.840.10008.5.1.4.1.1.88.34", uid, "2.25.9", "1.2", f"{uid}.dcm")


def rows(ledger):
    with ledger.engine.connect() as connection:
        return {
            table.name: connection.execute(select(table)).all()
            for table in Base.metadata.sorted_tables
        }


def one_job(ledger, queue):
    ledger.record([arrival()])
    [study] = ledger.waiting()
    return queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)


def test_identical_bytes_are_recorded_once(ledger):
    assert ledger.record([arrival(), arrival()]) == [Receipt.NEW, Receipt.DUPLICATE]
    assert ledger.files() == {"1.2.3/1-a.dcm"}


def test_each_instance_prolongs_the_quiet_period_of_its_study(ledger):
    ledger.record([arrival(1)])
    ledger.record([arrival(2, at=NOW + timedelta(seconds=9))])
    [study] = ledger.waiting()
    assert study.waiting_since == NOW
    assert study.last_arrival_at == NOW + timedelta(seconds=9)


def test_a_resend_makes_no_second_job(ledger, queue):
    assert one_job(ledger, queue) is not None
    ledger.record([arrival(at=NOW + timedelta(hours=1))])
    assert ledger.waiting() == []


def test_a_repeated_sweep_makes_no_second_job(ledger, queue):
    ledger.record([arrival()])
    [study] = ledger.waiting()
    assert queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    assert queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW) == []


def test_a_late_image_makes_a_job_that_supersedes_the_first_result(ledger, queue):
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    assert queue.finish(job, reading(), [result()], ["pacs"], NOW)
    ledger.record([arrival(2, at=NOW + timedelta(minutes=10))])
    [study] = ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    late = queue.claim("w", NOW, LEASE)
    assert len(late.instances) == 2
    assert [old.sop_instance_uid for old in late.supersedes] == ["2.25.1"]


def test_a_claimed_job_is_nobody_elses(ledger, queue):
    one_job(ledger, queue)
    assert queue.claim("one", NOW, LEASE) is not None
    assert queue.claim("two", NOW, LEASE) is None


def test_a_lost_lease_settles_nothing(ledger, queue):
    one_job(ledger, queue)
    first = queue.claim("one", NOW, LEASE)
    later = NOW + timedelta(seconds=61)
    assert queue.claim("two", later, LEASE) is None
    Leases(queue.ledger).expire(Leases(queue.ledger).running())
    second = queue.claim("two", later, LEASE)
    assert second.attempt == 2
    assert not queue.finish(first, reading(), [result()], ["pacs"], later)
    assert queue.finish(second, reading(), [result()], ["pacs"], later)
    assert not queue.finish(second, reading(), [result("2.25.2")], ["pacs"], later)


def test_a_job_put_off_is_claimed_when_its_time_has_come(ledger, queue):
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    assert queue.retry(job, "OSError", NOW + timedelta(seconds=30))
    assert queue.claim("w", NOW + timedelta(seconds=29), LEASE) is None
    assert queue.claim("w", NOW + timedelta(seconds=30), LEASE).attempt == 2


def test_expired_leases_and_the_jobs_of_a_stopped_worker_are_queued_again(ledger, queue):
    one_job(ledger, queue)
    queue.claim("w", NOW, LEASE)
    leases = Leases(ledger)
    before = leases.running()
    assert leases.expire(before) == 1
    job = queue.claim("w", NOW, LEASE)
    assert leases.expire(before) == 0
    queue.prolong(job, NOW, 2 * LEASE)
    [lease] = leases.running()
    assert lease.until == NOW + 2 * LEASE
    assert queue.release("another") == 0
    assert queue.release("w") == 1


def test_urgent_jobs_come_first(ledger, queue):
    for number, priority in ((1, 1), (2, 0)):
        ledger.record([arrival(study=f"1.2.{number}")])
        [study] = ledger.waiting()
        queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW, priority=priority)
    assert queue.claim("w", NOW, LEASE).study_uid == "1.2.2"


def test_eight_workers_claim_sixty_jobs_once_each(ledger, queue):
    for number in range(60):
        ledger.record([arrival(study=f"1.2.{number}")])
    for study in ledger.waiting():
        queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    claimed: list[int] = []

    def work(name):
        while (job := queue.claim(name, NOW, LEASE)) is not None:
            claimed.append(job.job_id)

    threads = [Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(set(claimed))
    assert len(claimed) == 60


def settled(ledger, queue):
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    queue.finish(job, reading(), [result()], ["pacs", "archive"], NOW)
    return Deliveries(ledger)


def test_every_destination_gets_its_own_delivery(ledger, queue):
    deliveries = settled(ledger, queue)
    [pacs] = deliveries.due("pacs", NOW)
    deliveries.delivered(pacs, 0x0000, NOW)
    assert deliveries.due("pacs", NOW) == []
    assert len(deliveries.due("archive", NOW)) == 1


def test_a_postponed_delivery_comes_back_and_a_parked_one_waits_for_a_person(ledger, queue):
    deliveries = settled(ledger, queue)
    [pacs] = deliveries.due("pacs", NOW)
    later = NOW + timedelta(seconds=10)
    deliveries.postponed(pacs, None, "no answer", later)
    assert deliveries.due("pacs", NOW) == []
    [again] = deliveries.due("pacs", later)
    assert again.attempts == 1
    deliveries.parked(again, 0xA900, "refused", later)
    assert deliveries.due("pacs", later + timedelta(days=30)) == []
    assert deliveries.retry_parked("pacs", later) == 1
    assert len(deliveries.due("pacs", later)) == 1


def test_the_overview_shows_outcome_score_and_deliveries(ledger, queue):
    deliveries = settled(ledger, queue)
    deliveries.delivered(deliveries.due("pacs", NOW)[0], 0, NOW)
    [state] = study_states(ledger)
    assert (state.category, state.reason, state.highest_score) == ("positive", None, 0.9)
    assert state.deliveries == {"delivered": 1, "pending": 1}
    assert backlog(ledger) == {"jobs done": 1, "deliveries pending": 1}


def test_a_study_without_job_is_waiting(ledger):
    ledger.record([arrival()])
    [state] = study_states(ledger)
    assert state.state == "waiting"
    assert state.category is None


def test_a_study_that_failed_every_attempt_is_quarantined_with_its_reason(ledger, queue):
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    failed = reading(Category.NOT_ANALYSED, Reason.FAILED_REPEATEDLY)
    assert queue.finish(job, failed, [], ["pacs"], NOW)
    [state] = study_states(ledger)
    assert state.state == "quarantined"
    assert state.reason == "analysis failed repeatedly"


def test_counters_add_up(ledger):
    ledger.count(Signal.DUPLICATE)
    ledger.count(Signal.DUPLICATE, by=2)
    ledger.count(Signal.REFUSED_BODY_PART, label="CHEST")
    assert ledger.counters() == {"duplicate": 3, "refused_body_part CHEST": 1}


def test_a_naive_time_is_refused(ledger):
    naive = replace(arrival(), received_at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point
    with pytest.raises(Exception, match="aware"):
        ledger.record([naive])


def test_sqlite_commits_are_synced_in_full(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    with ledger.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    ledger.close()


def test_the_migrations_make_exactly_the_schema_of_the_tables(ledger):
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_no_row_is_lost_on_the_way_down_one_version_and_up_again(ledger, queue):
    one_job(ledger, queue)
    ledger.record([arrival(2)])
    before = rows(ledger)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = ledger.engine
    command.downgrade(config, "-1")
    bring_up_to_date(ledger.engine)
    assert rows(ledger) == before
    assert len(before["instance"]) == 2


def test_threads_may_make_a_ledger_at_the_same_time(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        for ledger in pool.map(lambda _: Ledger(tmp_path / "ledger.sqlite"), range(8)):
            ledger.close()


def test_a_ledger_of_a_newer_version_is_refused(tmp_path):
    Ledger(tmp_path / "l.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "l.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="newer"):
        Ledger(tmp_path / "l.sqlite")


def test_a_damaged_ledger_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "l.sqlite"
    file.write_bytes(b"no database at all" * 300)
    with pytest.raises(Misconfigured, match="damaged"):
        Ledger(file)
    assert file.read_bytes().startswith(b"no database")


def test_a_locked_database_is_unavailable_not_lost(tmp_path):
    one = Ledger(tmp_path / "l.sqlite", busy_timeout_s=0.05)
    other = Ledger(tmp_path / "l.sqlite", busy_timeout_s=0.05)
    with one.transaction(), pytest.raises(Unavailable, match="another process keeps it locked"):
        other.record([arrival()])
    assert other.record([arrival()]) == [Receipt.NEW]
    one.close()
    other.close()
