"""All result objects of a reading: which there are, what they say, and that they repeat."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import numpy as np
import pytest
from pydicom import DataElement, config
from pydicom.datadict import tag_for_keyword

from daemon.identity import is_own_uid
from daemon.records import PredecessorObject, Reason
from daemon.results.build import build_results
from daemon.results.picture.heat import degenerate_maps
from daemon.results.validate import InvalidResult, check, checked
from daemon.settings import ReportSettings
from tests.support.headers import header_of
from tests.support.objects import Exam, Patient, dx
from tests.support.phantoms import wrist
from tests.support.readings import READ_AT, image_reading, study_reading, unread, with_digest
from tests.support.tools import tool

SMALL_MM = 0.4
REPORT = ReportSettings()


@pytest.fixture(scope="module")
def pa():
    return dx(wrist("PA", spacing_mm=SMALL_MM, fracture=True))


@pytest.fixture(scope="module")
def lateral():
    return dx(wrist("LAT", spacing_mm=SMALL_MM), "LAT", number=2)


def as_bytes(dataset):
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


def kinds(results):
    return [str(result.kind) for result in results]


def positive_and_negative(pa, lateral):
    return study_reading([image_reading(pa, 0.91), image_reading(lateral, 0.1)])


def test_a_read_study_gives_report_summary_copies_and_heat_maps(pa, lateral):
    results = build_results(positive_and_negative(pa, lateral), REPORT)
    assert kinds(results) == ["report", "summary", "annotated", "annotated", "heat map"]


def test_a_negative_study_has_no_heat_map(pa):
    results = build_results(study_reading([image_reading(pa, 0.1)]), REPORT)
    assert kinds(results) == ["report", "summary", "annotated"]


def test_heat_maps_can_be_switched_off(pa):
    reading = study_reading([image_reading(pa, 0.9)])
    results = build_results(reading, ReportSettings(heat_map=False))
    assert "heat map" not in kinds(results)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_degenerate_map_gives_no_heat_map_and_no_outline(pa, value):
    evidence = np.full((28, 28), value, dtype=np.float32)
    reading = study_reading([image_reading(pa, 0.9, evidence)])
    assert kinds(build_results(reading, REPORT)) == ["report", "summary", "annotated"]
    assert degenerate_maps(reading) == 1


def test_usable_maps_are_not_counted_as_degenerate(pa, lateral):
    assert degenerate_maps(positive_and_negative(pa, lateral)) == 0


def test_heat_maps_are_numbered_in_the_order_of_their_images(pa, lateral):
    images = [image_reading(pa, 0.91), image_reading(lateral, 0.5)]
    results = build_results(study_reading(images), REPORT)
    maps = [one.dataset for one in results if one.kind == "heat map"]
    shown = [one.SourceImageSequence[0].ReferencedSOPInstanceUID for one in maps]
    assert [one.InstanceNumber for one in maps] == [1, 2]
    assert shown == [pa.SOPInstanceUID, lateral.SOPInstanceUID]


def test_a_study_that_was_not_analysed_gets_report_and_summary(pa):
    reading = study_reading([unread(pa, Reason.UNREADABLE)])
    assert kinds(build_results(reading, REPORT)) == ["report", "summary"]


def test_a_study_of_two_patients_gets_nothing(pa):
    reading = study_reading([unread(pa, Reason.IDENTITY_CONFLICT)])
    assert build_results(reading, REPORT) == []


def uids(results):
    return [(one.dataset.SOPInstanceUID, one.dataset.SeriesInstanceUID) for one in results]


def test_the_same_reading_gives_the_same_bytes(pa, lateral):
    reading = positive_and_negative(pa, lateral)
    first = build_results(reading, REPORT)
    second = build_results(reading, REPORT)
    assert [one.dataset for one in first] == [one.dataset for one in second]


@pytest.mark.long
def test_reports_that_share_their_parts_do_not_change_each_other(pa, lateral):
    def written(number):
        source, probability = ((pa, 0.91), (lateral, 0.1))[number % 2]
        reading = study_reading([image_reading(source, probability)])
        report = build_results(reading, REPORT)[0].dataset
        first = as_bytes(report)
        return first, as_bytes(report)

    alone = [written(number)[0] for number in range(2)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(written, range(8)))
    assert together == [(alone[number % 2],) * 2 for number in range(8)]


def test_a_later_repetition_gives_the_same_uids(pa):
    reading = study_reading([image_reading(pa, 0.91)])
    later = replace(reading, read_at=READ_AT + timedelta(hours=1))
    assert uids(build_results(reading, REPORT)) == uids(build_results(later, REPORT))


def test_another_model_gives_other_uids_and_another_device(pa):
    reading = study_reading([image_reading(pa, 0.91)])
    old = build_results(reading, REPORT)
    new = build_results(with_digest(reading, "cd" * 32), REPORT)
    assert not set(uids(old)) & set(uids(new))
    devices = [{one.dataset.InstanceCreatorUID for one in made} for made in (old, new)]
    assert [len(one) for one in devices] == [1, 1]
    assert devices[0] != devices[1]


def test_other_content_gives_other_uids(pa):
    reading = study_reading([image_reading(pa, 0.91)])
    changed = replace(reading, inputs_digest="ef" * 32)
    old, new = build_results(reading, REPORT), build_results(changed, REPORT)
    assert not set(uids(old)) & set(uids(new))


def test_all_results_bear_the_identity_of_one_image(pa, lateral):
    images = [image_reading(pa, 0.91), image_reading(lateral, 0.1)]
    nameless = replace(images[0], header=replace(images[0].header, patient_id="", patient_name=""))
    for result in build_results(study_reading([nameless, images[1]]), REPORT):
        assert result.dataset.PatientID == lateral.PatientID
        assert result.dataset.PatientName == lateral.PatientName


def test_a_reading_that_failed_and_then_worked_does_not_reuse_its_uids(pa):
    failed = study_reading([unread(pa, Reason.FAILED_REPEATEDLY)])
    worked = study_reading([image_reading(pa, 0.1)])
    failed_uids = uids(build_results(failed, REPORT))
    assert not set(failed_uids) & set(uids(build_results(worked, REPORT)))


def test_all_results_carry_our_uids_and_the_sources_identity(pa, lateral):
    for result in build_results(positive_and_negative(pa, lateral), REPORT):
        dataset = result.dataset
        assert is_own_uid(dataset.SOPInstanceUID)
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"):
            assert dataset[keyword].value == pa[keyword].value
        check(dataset)


def test_results_of_both_wrists_stand_in_a_series_for_each_side(pa):
    right = dx(wrist("PA", "R", spacing_mm=SMALL_MM), exam=Exam(laterality="R"), number=2)
    reading = study_reading([image_reading(pa, 0.1), image_reading(right, 0.1)])
    results = build_results(reading, REPORT)
    summary = results[1].dataset
    assert summary.Laterality == ""
    left_copy, right_copy = results[2].dataset, results[3].dataset
    assert (left_copy.Laterality, right_copy.Laterality) == ("L", "R")
    assert left_copy.SeriesInstanceUID != right_copy.SeriesInstanceUID


def test_the_report_names_the_report_that_it_replaces(pa):
    old = PredecessorObject("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3")
    picture = PredecessorObject("1.2.840.10008.5.1.4.1.1.7", "1.2.3.6", "1.2.3.5")
    reading = replace(study_reading([image_reading(pa, 0.1)]), supersedes=(old, picture))
    report = build_results(reading, REPORT)[0].dataset
    (series,) = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence] == ["1.2.3.4"]


def test_an_image_without_its_own_header_is_refused(pa, lateral):
    other = replace(image_reading(pa, 0.1), header=header_of(lateral))
    with pytest.raises(ValueError, match="no header of its own"):
        build_results(study_reading([other]), REPORT)


def test_times_are_local_to_the_source(pa):
    source = dx(wrist("PA", spacing_mm=SMALL_MM))
    source.TimezoneOffsetFromUTC = "+0530"
    report = build_results(study_reading([image_reading(source, 0.1)]), REPORT)
    assert report[0].dataset.ContentTime == "143000.000000"


def test_text_of_another_character_set_arrives_as_unicode():
    source = dx(wrist("PA", spacing_mm=SMALL_MM), exam=Exam(patient=Patient(name="MÜLLER^ÅSA")))
    source.SpecificCharacterSet = "ISO_IR 100"
    results = build_results(study_reading([image_reading(source, 0.1)]), REPORT)
    assert results[0].dataset.SpecificCharacterSet == "ISO_IR 192"
    assert str(results[0].dataset.PatientName) == "MÜLLER^ÅSA"


def test_an_identifier_is_never_shortened_and_nothing_is_invented():
    source = dx(wrist("PA", spacing_mm=SMALL_MM))
    for keyword, value in (("AccessionNumber", "A" * 20), ("StudyDate", "yesterday")):
        tag = tag_for_keyword(keyword)
        vr = source[keyword].VR
        source[tag] = DataElement(tag, vr, value, validation_mode=config.IGNORE)
    del source.PatientName
    reading = study_reading([image_reading(source, 0.1)])
    dataset = build_results(reading, REPORT)[0].dataset
    assert dataset.AccessionNumber == "A" * 20
    assert dataset.StudyDate == ""
    assert str(dataset.PatientName) == ""


def test_a_result_without_its_pixels_is_invalid(pa):
    summary = build_results(study_reading([image_reading(pa, 0.1)]), REPORT)[1].dataset
    del summary.PixelData
    with pytest.raises(InvalidResult, match="PixelData is missing"):
        check(summary)


def test_a_result_under_a_foreign_uid_is_invalid(pa):
    report = build_results(study_reading([image_reading(pa, 0.1)]), REPORT)[0].dataset
    report.SOPInstanceUID = "1.2.3"
    with pytest.raises(InvalidResult, match="not ours"):
        check(report)


def test_an_error_of_the_gate_names_tags_and_no_values(pa, tmp_path):
    if tool("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed")
    report = build_results(study_reading([image_reading(pa, 0.1)]), REPORT)[0].dataset
    wrong = DataElement("PatientAge", "AS", "SECRET", validation_mode=config.IGNORE)
    report["PatientAge"] = wrong
    del report.CompletionFlag
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    with pytest.raises(InvalidResult) as raised, checked(tmp_path / "report.dcm"):
        pass
    said = str(raised.value)
    assert said.endswith("errors; tags: (0x0010,0x1010) (0x0040,0xa491)")
    assert "SECRET" not in said
