"""Withdrawing results: a note for every destination, and nothing of them any more."""

from datetime import timedelta

import pytest

from daemon.errors import Rejected
from daemon.ledger.jobs.decisions import Decisions
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import backlog
from daemon.operate.withdraw import withdraw
from daemon.records import Arrival
from daemon.results.build import build_results
from daemon.results.document.withdrawal import Why
from daemon.results.outbox import write
from daemon.settings import ReportSettings
from tests.support.ledgers import empty_file
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import READ_AT, image_reading, study_reading

DESTINATIONS = ("pacs", "archive")
SERIES = 9001


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(empty_file(tmp_path / "ledger.sqlite"))
    yield opened
    opened.close()


def read_study(ledger, outbox, number=1):
    source = dx(wrist("PA", spacing_mm=0.8), number=number)
    uids = (source.StudyInstanceUID, source.SOPInstanceUID, source.SOPClassUID)
    ledger.record([Arrival(*uids, "1.2.840", "p", f"{number:064}", "f", 1, "MOD", READ_AT)])
    [study] = ledger.waiting()
    queue = Queue(ledger)
    queue.enqueue(study.study_id, {"wrist": "recipe"}, READ_AT)
    job = queue.claim("w", READ_AT, timedelta(seconds=60))
    reading = study_reading([image_reading(source, 0.1)])
    files = write(build_results(reading, ReportSettings()), outbox, job.study_uid)
    assert queue.finish(job, reading, files, DESTINATIONS, READ_AT)
    return Decisions(ledger).find(source.StudyInstanceUID)


def test_a_withdrawn_study_sends_its_note_and_nothing_else(tmp_path, ledger):
    study = read_study(ledger, tmp_path)
    done = withdraw(ledger, tmp_path, DESTINATIONS, (study, Why.QUALITY), READ_AT, SERIES)
    assert (done.objects, done.unsent) == (3, 6)
    assert backlog(ledger)["deliveries pending"] == len(DESTINATIONS)
    assert backlog(ledger)["deliveries withdrawn"] == 6


def test_nothing_is_withdrawn_twice(tmp_path, ledger):
    study = read_study(ledger, tmp_path)
    withdraw(ledger, tmp_path, DESTINATIONS, (study, Why.QUALITY), READ_AT, SERIES)
    with pytest.raises(Rejected, match="no results"):
        withdraw(ledger, tmp_path, DESTINATIONS, (study, Why.QUALITY), READ_AT, SERIES)


def test_a_later_reading_does_not_build_upon_what_was_withdrawn(tmp_path, ledger):
    study = read_study(ledger, tmp_path)
    withdraw(ledger, tmp_path, DESTINATIONS, (study, Why.PATIENT_SAFETY), READ_AT, SERIES)
    other = Arrival(
        dx(wrist("PA", spacing_mm=0.8)).StudyInstanceUID,
        *("1.2.9", "1.3", "1.2.840", "p", "b" * 64, "g", 1, "MOD", READ_AT),
    )
    ledger.record([other])
    queue = Queue(ledger)
    queue.enqueue(study, {"wrist": "recipe"}, READ_AT)
    assert queue.claim("w", READ_AT, timedelta(seconds=60)).supersedes == ()


def test_results_that_left_the_outbox_are_for_the_archive_to_reject(tmp_path, ledger):
    study = read_study(ledger, tmp_path)
    for file in tmp_path.glob("*/*.dcm"):
        file.unlink()
    with pytest.raises(Rejected, match="no longer in the outbox"):
        withdraw(ledger, tmp_path, DESTINATIONS, (study, Why.QUALITY), READ_AT, SERIES)
