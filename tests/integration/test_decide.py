"""A person's commands on a ledger: retry, skip, status."""

import json
import subprocess
import sys

import pytest

from daemon.ledger.deliveries import Deliveries
from daemon.logs import study_key
from daemon.settings import Destination
from tests.node import ROOT, fast_settings, settings_text
from tests.office import START, STUDY, Office

PEER = Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=104)


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
