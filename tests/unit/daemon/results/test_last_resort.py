"""The report of last resort: valid whatever the header says, and complete in words."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from daemon.dicom.header import Header
from daemon.records import Category, ImageReading, Note, Reason
from daemon.results.build import build_results
from daemon.results.last_resort import last_resort
from daemon.results.outbox import write, write_as_it_is
from daemon.settings import ReportSettings
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import image_reading, study_reading, unread
from tests.support.tools import run_tool, tool, validation_errors

CLASSES = [Comprehensive3DSRStorage, ComprehensiveSRStorage]
PA, LATERAL = (dx(wrist("PA", spacing_mm=0.8), number=number) for number in (1, 2))


def texts(report):
    return [one.TextValue for one in report.ContentSequence if "TextValue" in one]


def a_reading():
    image = replace(image_reading(PA, 0.913), notes=(Note.LOGARITHM,))
    reading = study_reading([image, unread(LATERAL, Reason.OTHER_BODY_PART)])
    return replace(reading, disagreements=("PatientName",))


@pytest.mark.parametrize("sop_class", CLASSES)
def test_it_is_valid_for_the_validators_of_others(tmp_path, sop_class):
    if tool("dciodvfy") is None or tool("dsrdump") is None:
        pytest.skip("dciodvfy or dsrdump is not installed")
    report = last_resort(a_reading(), sop_class, (), 9001)
    [file] = write([report], tmp_path, "1.2")
    assert validation_errors(report.dataset, tmp_path) == []
    assert run_tool("dsrdump", tmp_path / file.file)[0] == 0


def test_it_says_everything_that_was_found():
    said = texts(last_resort(a_reading(), CLASSES[0], (), 9001).dataset)
    assert said[:5] == [
        "Outcome: positive",
        "Image 1: fracture: positive, score 0.913",
        "Image 1: for processing: read after a logarithm",
        "Image 2: not analysed (not the expected body part)",
        "Images disagree in PatientName; released by a person.",
    ]


def test_it_is_of_the_patient_and_names_the_images():
    report = last_resort(a_reading(), CLASSES[0], (), 9001).dataset
    assert (report.PatientID, str(report.PatientName)) == (PA.PatientID, str(PA.PatientName))
    series = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    named = {one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in series}
    assert named == {PA.SOPInstanceUID, LATERAL.SOPInstanceUID}


def test_its_uids_repeat_and_are_no_other_reports():
    first, again = (last_resort(a_reading(), CLASSES[0], (), 9001).dataset for _ in range(2))
    other = build_results(a_reading(), ReportSettings())[0].dataset
    assert first.SOPInstanceUID == again.SOPInstanceUID != other.SOPInstanceUID
    assert first.SeriesInstanceUID != other.SeriesInstanceUID


anything = st.text(max_size=80)


@pytest.mark.long
@settings(deadline=None)
@given(st.builds(Header, anything, anything, anything, anything, anything, anything, anything))
def test_no_header_keeps_it_from_being_written(header):
    image = ImageReading("1.2.3", Category.NOT_ANALYSED, Reason.UNREADABLE, header=header)
    reading = replace(study_reading([unread(PA, Reason.UNREADABLE)]), images=(image,))
    report = last_resort(reading, CLASSES[0], (), 9001)
    with tempfile.TemporaryDirectory() as folder:
        file = write_as_it_is(report, Path(folder), reading.study_uid)
        assert texts(dcmread(Path(folder) / file.file)) == texts(report.dataset)
