"""A site changes its operating points: what was reported stays, a replay replaces it."""

from dataclasses import replace

import pytest
from pydicom import dcmread
from sqlalchemy import select

from daemon import outcome
from daemon.ledger.jobs.decisions import Decisions, Done
from daemon.ledger.tables import JobRow, ScoreRow
from daemon.records import Category
from daemon.results.build import build_results
from daemon.results.outbox import write
from daemon.settings import OperatingPoints, ReportSettings
from model.package import FindingSpec
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import MODEL, image_reading, study_reading
from tests.support.tools import run_tool, tool
from tests.unit.daemon.ledger.test_ledger import (  # noqa: F401  # fixtures
    LEASE,
    NOW,
    ledger,
    one_job,
    queue,
)

OF_THE_PACKAGE = FindingSpec(
    name="fracture", class_index=0, high_sensitivity=0.3, high_specificity=0.7
)
STRICTER = OperatingPoints(
    finding="fracture", high_sensitivity=0.6, high_specificity=0.9, reason="too many alarms"
)
SCORE = 0.5


@pytest.fixture(scope="module")
def source():
    return dx(wrist("PA", spacing_mm=0.6, fracture=True))


def report_at(job, source, points, digest, folder):
    """Read and write a job with a site's points; return the reading, its files and its report."""
    [spec] = outcome.at_site([OF_THE_PACKAGE], points)
    score = outcome.judge(spec, SCORE)
    image = replace(image_reading(source, SCORE), scores=(score,), category=score.category)
    reading = replace(
        study_reading([image]),
        settings_digest=digest,
        supersedes=job.supersedes,
        site_points=tuple(points),
    )
    files = write(build_results(reading, ReportSettings()), folder, "1.2")
    return reading, files, folder / next(one.file for one in files if one.kind == "report")


@pytest.fixture
def both(ledger, queue, source, tmp_path):  # noqa: F811
    """Return the first report, its bytes when it was written, and the report of the replay."""
    one_job(ledger, queue)
    job = queue.claim("w", NOW, LEASE)
    reading, files, old = report_at(job, source, (), "before", tmp_path)
    assert queue.finish(job, reading, files, ["pacs"], NOW)
    written = old.read_bytes()
    study = Decisions(ledger).find("1.2.3")
    assert Decisions(ledger).replay(study, {"wrist": "another recipe"}, NOW) == Done(jobs=1)
    job = queue.claim("w", NOW, LEASE)
    reading, files, new = report_at(job, source, (STRICTER,), "after", tmp_path)
    assert queue.finish(job, reading, files, ["pacs"], NOW)
    return old, written, new


def test_what_was_reported_keeps_the_old_points(both):
    old, written, _new = both
    assert old.read_bytes() == written


def test_a_replay_judges_by_the_new_points_and_names_what_it_replaces(both):
    old, _written, new = both
    [study] = dcmread(new).PredecessorDocumentsSequence
    [item] = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert item.ReferencedSOPInstanceUID == dcmread(old).SOPInstanceUID
    if tool("dsrdump") is None:
        pytest.skip("dsrdump is not installed")
    texts = [run_tool("dsrdump", "+Pl", file)[1] for file in (old, new)]
    for text, category, low, high in zip(
        texts, ("Doubt", "Negative"), ("0.3", "0.6"), ("0.7", "0.9"), strict=True
    ):
        assert f'"{category}"' in text
        assert f"high-sensitivity operating point: {low}" in text
        assert f"high-specificity operating point: {high}" in text
    assert "set by the site: too many alarms" in texts[1]


def test_the_ledger_keeps_points_model_and_calibration_of_each_reading(ledger, both):  # noqa: F811
    with ledger.snapshot() as connection:
        jobs = connection.execute(select(JobRow.__table__).order_by(JobRow.id)).all()
        scores = connection.execute(select(ScoreRow.__table__).order_by(ScoreRow.job_id)).all()
    assert [one.settings_digest for one in jobs] == ["before", "after"]
    for job in jobs:
        assert job.package_digest == MODEL.digest
        assert job.calibration == MODEL.calibration
        assert job.model == f"{MODEL.name} {MODEL.version}"
    assert [(one.high_sensitivity, one.high_specificity, one.category) for one in scores] == [
        (0.3, 0.7, Category.DOUBT),
        (0.6, 0.9, Category.NEGATIVE),
    ]
