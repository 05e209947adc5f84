"""A result always comes: what cannot be made is left out, counted and said without a name."""

from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from daemon.dicom.grey import Grey, Rescale
from daemon.errors import Unavailable
from daemon.records import HELD, PredecessorObject, Reason, Reported, Withdrawal
from daemon.results.reporter import Reporter
from daemon.settings import DimseDestination, ReportSettings
from daemon.signals import Signal
from model.pixels import Radiograph
from tests.support.headers import header_of
from tests.support.objects import Exam, Patient, dx
from tests.support.phantoms import wrist
from tests.support.readings import image_reading, study_reading, unread
from tests.support.tools import tool

SECRET = "ZZPHI"
OLD = PredecessorObject(Comprehensive3DSRStorage, "2.25.1", "2.25.2")
DESTINATIONS = [
    DimseDestination(name=form, ae_title="PACS", host="127.0.0.1", port=104, report=form)
    for form in ("comprehensive-3d", "comprehensive")
]


@pytest.fixture(scope="module")
def source():
    return dx(wrist("PA", spacing_mm=0.8, fracture=True))


LEFT_OUT = Signal.RESULT_LEFT_OUT


@pytest.fixture
def reporter(tmp_path):
    return Reporter(ReportSettings(presentation_state=True), (), tmp_path / "outbox")


def kinds(reported):
    return [one.kind for one in reported.files]


def with_header(source, **facts):
    """A positive reading whose header says what no parser lets through."""
    image = image_reading(source, 0.913)
    return study_reading([replace(image, header=replace(image.header, **facts))])


def words(reporter, file):
    report = dcmread(reporter.outbox / file.file)
    return [one.TextValue for one in report.ContentSequence if "TextValue" in one]


def test_a_reading_gives_all_its_results_and_counts_nothing(reporter, source):
    reported = reporter.report(study_reading([image_reading(source, 0.9)]), None)
    assert kinds(reported) == ["report", "summary", "annotated", "heat map", "presentation state"]
    assert reported.counts == {}


def test_a_report_that_breaks_a_rule_gives_way_to_the_last_resort(reporter, source):
    reported = reporter.report(with_header(source, study_description="D" * 99), None)
    assert kinds(reported) == ["report"]
    assert reported.counts[LEFT_OUT] == 5
    assert "Outcome: positive" in words(reporter, reported.files[0])
    assert "Image 1: fracture: positive, score 0.913" in words(reporter, reported.files[0])


def test_a_reading_without_a_header_is_reported_all_the_same(reporter, source):
    image = replace(image_reading(source, 0.913), header=None)
    reading = replace(study_reading([image_reading(source, 0.9)]), images=(image,))
    reported = reporter.report(reading, None)
    assert kinds(reported) == ["report"]
    assert "Image 1: fracture: positive, score 0.913" in words(reporter, reported.files[0])


def test_a_reading_without_images_is_reported_all_the_same(reporter, source):
    reading = study_reading([unread(source, Reason.UNREADABLE)])
    reported = reporter.report(replace(reading, images=()), None)
    assert words(reporter, reported.files[0])[0] == "Outcome: not analysed (image unreadable)"


def test_each_destination_gets_a_last_resort_of_its_class(reporter, source):
    reporter = replace(reporter, destinations=DESTINATIONS)
    reported = reporter.report(with_header(source, study_description="D" * 99), None)
    assert {(one.sop_class_uid, one.destinations) for one in reported.files} == {
        (Comprehensive3DSRStorage, ("comprehensive-3d",)),
        (ComprehensiveSRStorage, ("comprehensive",)),
    }


def test_pictures_that_cannot_be_drawn_do_not_keep_the_report(reporter, source):
    image = image_reading(source, 0.9)
    empty = replace(image, radiograph=Radiograph(np.zeros((0, 0), np.float32)))
    reported = reporter.report(study_reading([empty]), None)
    assert kinds(reported)[0] == "report"
    assert "summary" not in kinds(reported)
    assert reported.counts[LEFT_OUT] >= 2
    assert "Outcome" not in "".join(words(reporter, reported.files[0]))


def test_a_presentation_state_that_is_not_valid_is_left_out(reporter, source):
    if tool("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed")
    image = replace(image_reading(source, 0.9), grey=Grey(Rescale(float("nan"), 0.0)))
    reported = reporter.report(study_reading([image]), None)
    assert kinds(reported) == ["report", "summary", "annotated", "heat map"]
    assert reported.counts[LEFT_OUT] == 1


def test_what_is_left_out_is_said_without_a_word_of_the_header(reporter, source, caplog):
    reporter.report(with_header(source, study_description=SECRET * 20), None)
    reporter.report(with_header(source, timezone=SECRET), None)
    assert "left out: report: ValueError" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("reason", HELD)
def test_a_held_study_gets_nothing(reporter, source, reason):
    withdrawal = Withdrawal((OLD,), header_of(source))
    reading = replace(study_reading([unread(source, reason)]), reason=reason)
    assert reporter.report(reading, withdrawal) == Reported()


@pytest.mark.parametrize(
    ("patient", "title"),
    [(Patient(), "113001"), (Patient(patient_id="CORRECTED"), "113038")],
    ids=["other content", "other patient"],
)
def test_a_rejection_note_comes_first_and_says_why(reporter, source, patient, title):
    before = header_of(dx(wrist("PA", spacing_mm=0.8), exam=Exam(patient=patient)))
    reading = study_reading([image_reading(source, 0.1)])
    reported = reporter.report(reading, Withdrawal((OLD,), before))
    assert kinds(reported)[:2] == ["withdrawal", "report"]
    note = dcmread(reporter.outbox / reported.files[0].file)
    assert note.ConceptNameCodeSequence[0].CodeValue == title
    assert note.PatientID == patient.patient_id
    assert note.StudyInstanceUID == reading.study_uid


def test_a_disk_that_takes_nothing_is_tried_again_later(reporter, source):
    reporter.outbox.write_text("a file where the folder should be")
    with pytest.raises(Unavailable):
        reporter.report(study_reading([image_reading(source, 0.1)]), None)
    with pytest.raises(Unavailable):
        reporter.report(with_header(source, study_description="D" * 99), None)
