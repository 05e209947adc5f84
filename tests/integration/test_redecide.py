"""`wristd replay --threshold`: stored scores judged at other operating points, on trial."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation as Dx
from pydicom.uid import ExplicitVRLittleEndian

from daemon import outcome
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.logs import study_key
from daemon.records import Arrival, Category, ImageReading, ModelIdentity, Reason, StudyReading
from daemon.settings import DimseDestination
from model.package import FindingSpec
from tests.support.node import ROOT, fast_settings, settings_text

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PEER = DimseDestination(name="pacs", ae_title="PACS", host="127.0.0.1", port=104)
SPEC = FindingSpec(name="fracture", class_index=1, high_sensitivity=0.3, high_specificity=0.7)
SCORES = {"1.2.1": (0.1, 0.25), "1.2.2": (0.5,), "1.2.3": (0.1, 0.9), "1.2.4": ()}
"""Fracture scores of each study's images: negative, doubt, positive, not analysed."""


def _images(study, scores):
    judged = [outcome.judge(SPEC, score) for score in scores]
    if not judged:
        yield ImageReading(f"{study}.1", Category.NOT_ANALYSED, Reason.UNREADABLE)
    for number, score in enumerate(judged, start=1):
        yield ImageReading(f"{study}.{number}", score.category, scores=(score,))


def _read(ledger, study, scores):
    queue = Queue(ledger)
    values = (study, f"{study}.1", Dx, ExplicitVRLittleEndian, "p", "a" * 64, "f", 1, "AE")
    ledger.record([Arrival(*values, START)])
    [waiting] = ledger.waiting()
    queue.enqueue(waiting.study_id, {"wrist": "recipe"}, START)
    job = queue.claim("w", START, timedelta(seconds=60))
    images = tuple(_images(study, scores))
    model = ModelIdentity("m", "1", "d", "none", "CPUExecutionProvider")
    reading = StudyReading(study, *outcome.of_study(images), images, model, "s", START)
    assert queue.finish(job, reading, [], [], START)


@pytest.fixture
def site(tmp_path):
    """A ledger with four studies that were read, and its settings file."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for study, scores in SCORES.items():
        _read(ledger, study, scores)
    ledger.close()
    settings = tmp_path / "settings.toml"
    sections = fast_settings({"node": {"state_dir": str(tmp_path)}})
    settings.write_text(settings_text(sections, [PEER]))
    return settings


def _replay(settings, *arguments):
    command = [sys.executable, "-m", "daemon", "replay", *arguments, "--config", str(settings)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def _trial(settings, *arguments):
    done = _replay(settings, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_other_points_show_which_studies_would_change_and_the_totals(site):
    trial = _trial(site, "--threshold", "fracture=0.2,0.45")
    changes = {one["study_uid"]: (one["before"], one["after"]) for one in trial["changed"]}
    assert changes == {"1.2.1": ("negative", "doubt"), "1.2.2": ("doubt", "positive")}
    assert trial["totals"] == {
        "positive": {"before": 1, "after": 2},
        "doubt": {"before": 1, "after": 1},
        "negative": {"before": 1, "after": 0},
        "not analysed": {"before": 1, "after": 1},
    }


def test_the_points_that_were_stored_give_the_categories_that_were_stored(site):
    trial = _trial(site, "--threshold", "fracture=0.3,0.7")
    assert (trial["changed"], trial["reproduced"], trial["studies"]) == ([], 4, 4)


def test_one_study_alone_is_tried_and_shown_by_its_key(site):
    done = _replay(site, study_key("1.2.2"), "--threshold", "fracture=0.6,0.7")
    assert done.returncode == 0, done.stderr
    assert study_key("1.2.2") in done.stdout
    assert "1 of 1 studies would change; nothing was written or sent." in done.stdout


def test_the_points_of_the_settings_can_be_tried_before_they_are_used(site):
    points = {"finding": "fracture", "high_sensitivity": 0.05, "high_specificity": 0.95}
    lines = [f"{key} = {json.dumps(value)}" for key, value in points.items()]
    text = "\n".join(["", "[[models.operating_points]]", *lines, 'reason = "a trial"'])
    site.write_text(site.read_text() + text)
    trial = _trial(site, "--threshold", "settings")
    assert {one["after"] for one in trial["changed"]} == {"doubt"}
    assert len(trial["changed"]) == 2


def test_a_trial_writes_nothing(site):
    def content():
        folder = site.parent
        return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    before = content()
    _trial(site, "--threshold", "fracture=0.01,0.02")
    assert {name: content()[name] for name in before} == before


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("fracture=0.5", "write FINDING=LOW,HIGH or settings"),
        ("fracture=0.7,0.3", "0 < LOW <= HIGH < 1"),
        ("tumour=0.1,0.2", "does not report 'tumour'"),
    ],
)
def test_points_that_cannot_be_used_are_said_so(site, value, said):
    done = _replay(site, "--threshold", value)
    assert done.returncode == 1
    assert said in done.stderr


def test_without_a_study_and_without_points_nothing_is_read_again(site):
    done = _replay(site)
    assert done.returncode == 1
    assert "name the study" in done.stderr
