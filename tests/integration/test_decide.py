"""A person's commands on a ledger: retry, release, skip, studies, status."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.ledger.deliveries import Deliveries
from daemon.ledger.jobs.queue import Queue
from daemon.logs import study_key
from daemon.records import Category, Reason
from daemon.settings import DimseDestination
from tests.support.node import ROOT, fast_settings, settings_text
from tests.support.office import START, STUDY, Office
from tests.unit.daemon.ledger.test_ledger import arrival, reading

PEER = DimseDestination(name="pacs", ae_title="PACS", host="127.0.0.1", port=104)


@pytest.fixture
def parked(tmp_path):
    """A ledger in which both results of a study are parked, and its settings file."""
    office = Office(tmp_path)
    deliveries = Deliveries(office.ledger)
    for one in deliveries.due("archive", START):
        deliveries.parked(one, 0xA900, "refused", START)
    settings = tmp_path / "settings.toml"
    sections = fast_settings({"node": {"state_dir": str(tmp_path)}})
    settings.write_text(settings_text(sections, [PEER]))
    yield office, settings
    office.ledger.close()


@pytest.fixture
def held(parked):
    """The same, where a later image names another patient."""
    office, settings = parked
    office.ledger.record([arrival(2, content="b", at=START)])
    queue, [study] = Queue(office.ledger), office.ledger.waiting()
    queue.enqueue(study.study_id, {"wrist": "recipe"}, START)
    job = queue.claim("w", START, timedelta(seconds=60))
    conflict = reading(Category.NOT_ANALYSED, Reason.IDENTITY_CONFLICT)
    assert queue.finish(job, replace(conflict, study_uid=STUDY), [], ["archive"], START)
    return queue, settings


def _wristd(settings, *arguments):
    command = [sys.executable, "-m", "daemon", *arguments, "--config", str(settings)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_retry_sends_parked_results_again(parked):
    office, settings = parked
    done = _wristd(settings, "retry", study_key(STUDY))
    assert (done.returncode, done.stdout) == (0, "0 jobs, 2 deliveries\n"), done.stderr
    assert office.states() == ["pending", "pending"]
    shown = json.loads(_wristd(settings, "status").stdout)
    assert shown["backlog"]["deliveries pending"] == 2
    assert shown["oldest_s"]["pending deliveries"] >= 0


def test_skip_leaves_parked_results_and_says_when_there_is_nothing_to_do(parked):
    office, settings = parked
    assert _wristd(settings, "skip", STUDY).returncode == 0
    assert office.states() == ["skipped", "skipped"]
    again = _wristd(settings, "skip", STUDY)
    assert again.returncode == 1
    assert "nothing to do" in again.stderr


def test_an_unknown_study_is_said_so(parked):
    _office, settings = parked
    done = _wristd(settings, "retry", "000000000000")
    assert done.returncode == 1
    assert "no such study" in done.stderr


def test_a_held_study_is_shown_and_retry_says_how_it_is_let_go(held):
    _queue, settings = held
    assert _wristd(settings, "retry", STUDY).returncode == 0  # the parked results of before
    again = _wristd(settings, "retry", STUDY)
    assert again.returncode == 1
    assert "wristd release" in again.stderr
    assert "held" in _wristd(settings, "studies").stdout
    [state] = json.loads(_wristd(settings, "studies", "--json").stdout)
    assert (state["state"], state["is_held"], state["deliveries"]) == ("done", True, {"pending": 2})


def test_release_lets_a_held_study_be_read_once(held):
    queue, settings = held
    done = _wristd(settings, "release", study_key(STUDY))
    assert (done.returncode, done.stdout) == (0, "released: the study is read as it is\n")
    job = queue.claim("w", START + timedelta(days=9999), timedelta(seconds=60))
    assert (job.is_released, len(job.instances)) == (True, 2)
    again = _wristd(settings, "release", STUDY)
    assert again.returncode == 1
    assert "not held" in again.stderr
    assert "released" in _wristd(settings, "studies").stdout
