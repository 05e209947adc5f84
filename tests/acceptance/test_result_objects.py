"""Result objects before judges who do not know us: dciodvfy, dsrdump, highdicom's reader."""

from dataclasses import replace

import highdicom
import pytest
from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR, tag_for_keyword

from daemon.dicom.parse import read_header
from daemon.records import HELD, PredecessorObject, Reason
from daemon.results.build import build_results
from daemon.results.outbox import write
from daemon.settings import ReportSettings
from tests.support.objects import Exam, Patient, cr, dx
from tests.support.phantoms import wrist
from tests.support.readings import image_reading, study_reading, unread
from tests.support.tools import run_tool, validation_errors

pytestmark = pytest.mark.acceptance
PICTURE = wrist("PA", spacing_mm=0.3, fracture=True)
MAKERS = {"DX": dx, "CR": cr}


def results_of(image, supersedes=()):
    reading = replace(study_reading([image]), supersedes=tuple(supersedes))
    return build_results(reading, ReportSettings())


def assert_valid(results, folder):
    assert {result.kind: validation_errors(result.dataset, folder) for result in results} == {
        result.kind: [] for result in results
    }


def report_text(results, folder):
    file = folder / "report.dcm"
    results[0].dataset.save_as(file, enforce_file_format=True)
    code, text = run_tool("dsrdump", "+Pl", "+Pn", file)
    assert code == 0
    return text


@pytest.mark.parametrize("modality", ["DX", "CR"])
@pytest.mark.parametrize(
    ("probability", "normality", "category"),
    [
        (0.91, "Abnormal", "Positive"),
        (0.5, "Normality Undetermined", "Doubt"),
        (0.1, "Normal", "Negative"),
    ],
)
def test_a_read_study_is_valid_and_says_what_was_found(
    tmp_path, modality, probability, normality, category
):
    source = MAKERS[modality](PICTURE)
    results = results_of(image_reading(source, probability))
    assert_valid(results, tmp_path)
    text = report_text(results, tmp_path)
    for said in ("Fracture of bone", f'"{normality}"', f'"{category}"', f'="{probability}"'):
        assert said in text
    assert "Preliminary Flag    : PRELIMINARY" in text
    assert "Verification Flag   : UNVERIFIED" in text


@pytest.mark.parametrize("reason", sorted(set(Reason) - set(HELD)))
def test_a_study_that_was_not_analysed_is_valid_and_says_why(tmp_path, reason):
    source = dx(PICTURE)
    results = results_of(unread(source, reason))
    assert_valid(results, tmp_path)
    text = report_text(results, tmp_path)
    assert "No algorithms succeeded; without findings" in text
    assert f'"{reason.capitalize()}"' in text
    assert '"Negative"' not in text


def test_a_superseding_report_is_valid_and_names_its_predecessor(tmp_path):
    source = dx(PICTURE)
    old = PredecessorObject("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3")
    results = results_of(image_reading(source, 0.9), [old])
    assert_valid(results, tmp_path)
    assert "Predecessor Docs" in report_text(results, tmp_path)


def test_an_order_and_its_numbers_are_passed_on(tmp_path):
    source = dx(PICTURE)
    order = Dataset()
    order.RequestedProcedureID = "RP-1"
    order.RequestedProcedureCodeSequence = [
        highdicom.sr.CodedConcept("1", "99LOCAL", "Wrist, two views")
    ]
    source.RequestAttributesSequence = [order]
    results = results_of(image_reading(source, 0.1))
    assert_valid(results, tmp_path)
    (passed_on,) = results[0].dataset.ReferencedRequestSequence
    assert passed_on.RequestedProcedureID == "RP-1"


def _without_side(source):
    for keyword in ("ImageLaterality", "Laterality"):
        if keyword in source:
            del source[keyword]


def _without_optional_values(source):
    for keyword in ("PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber"):
        del source[keyword]
    for keyword in ("StudyID", "ReferringPhysicianName", "PatientBirthDate", "PatientSex"):
        if keyword in source:
            del source[keyword]


def _with_wrong_values(source):
    wrong = {
        "PatientName": "N" * 200,
        "PatientID": "P" * 90,
        "AccessionNumber": "A" * 20,
        "StudyDate": "yesterday",
        "PatientSex": "X",
        "StudyDescription": "D" * 99,
    }
    _write(source, wrong)


def _write(source, wrong):
    for keyword, value in wrong.items():
        tag = tag_for_keyword(keyword)
        vr = dictionary_VR(tag)
        source[tag] = DataElement(tag, vr, value, validation_mode=config.IGNORE)


def _with_zeros_in_uids(source):
    levels = ("Study", "Series", "SOP")
    _write(source, {f"{level}InstanceUID": f"1.2.007.{len(level)}" for level in levels})


def _with_malformed_values(source):
    wrong = {
        "ImagerPixelSpacing": "0.144",
        "TimezoneOffsetFromUTC": "0500",
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "12.3456789012345678",
        "LossyImageCompressionMethod": "iso_10918_1",
    }
    _write(source, wrong)


def _of_a_part_without_sides(source):
    source.BodyPartExamined = "CHEST"
    source.Laterality = "L"


def _of_a_part_that_nobody_knows(source):
    _without_side(source)
    source.BodyPartExamined = "FOOBAR"


def _without_pixel_description(source):
    for keyword in ("Rows", "Columns", "PixelData"):
        del source[keyword]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize(
    "spoil",
    [
        _without_side,
        _without_optional_values,
        _with_wrong_values,
        _without_pixel_description,
        _with_zeros_in_uids,
        _with_malformed_values,
        _of_a_part_without_sides,
        _of_a_part_that_nobody_knows,
    ],
)
@pytest.mark.parametrize("modality", ["DX", "CR"])
def test_a_poor_header_still_gives_results_that_pass_the_gate(tmp_path, modality, spoil):
    source = MAKERS[modality](PICTURE, exam=Exam(patient=Patient(name="MÜLLER^ÅSA")))
    readable = image_reading(source, 0.9)
    spoil(source)
    image = unread(source, Reason.NOT_A_RADIOGRAPH)
    if "Rows" in source:
        image = replace(readable, sop_instance_uid=image.sop_instance_uid, header=image.header)
    results = results_of(image)
    assert len(write(results, tmp_path, str(source.StudyInstanceUID))) == len(results)


def test_another_reader_finds_the_measurements_and_their_regions(tmp_path):
    source = dx(PICTURE)
    results = results_of(image_reading(source, 0.9))
    file = tmp_path / "report.dcm"
    results[0].dataset.save_as(file, enforce_file_format=True)
    report = highdicom.sr.srread(file)
    (group,) = report.content.get_planar_roi_measurement_groups()
    assert group.finding_type.value == "125605004"
    (measurement,) = group.get_measurements()
    assert measurement.value == 0.9
    assert group.roi.value.shape == (5, 2)
    assert run_tool("dsr2html", file, tmp_path / "report.html")[0] == 0


def test_real_headers_give_results_that_pass_the_gate(real_data, tmp_path):
    files = sorted((real_data / "dicom").glob("*.dcm"))
    assert files
    for file in files:
        header = read_header(file)
        drawn = image_reading(dx(PICTURE), 0.9)
        image = replace(drawn, sop_instance_uid=header.sop_instance_uid, header=header)
        assert len(write(results_of(image), tmp_path, header.study_uid)) == 4, file.name
