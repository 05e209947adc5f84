"""The gate: ours has to be valid, what was copied to the letter may be as the source has it."""

import pytest
from pydicom import DataElement, config

from daemon.results.build import build_results
from daemon.results.outbox import write
from daemon.results.validate import InvalidResult, check
from daemon.settings import ReportSettings
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import image_reading, study_reading


@pytest.fixture
def source():
    return dx(wrist("PA", spacing_mm=0.8))


def put(dataset, keyword, vr, text):
    dataset[keyword] = DataElement(keyword, vr, text, validation_mode=config.IGNORE)


def results_of(source):
    return build_results(study_reading([image_reading(source, 0.9)]), ReportSettings())


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_uids_with_zeros_in_front_are_delivered_to_the_letter(source, tmp_path):
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        put(source, keyword, "UI", f"1.2.007.{len(keyword)}")
    results = results_of(source)
    assert len(write(results, tmp_path, "1.2")) == 4
    report = results[0].dataset
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    [series] = study.ReferencedSeriesSequence
    [image] = series.ReferencedSOPSequence
    assert (report.StudyInstanceUID, study.StudyInstanceUID) == ("1.2.007.16",) * 2
    assert series.SeriesInstanceUID == "1.2.007.17"
    assert image.ReferencedSOPInstanceUID == "1.2.007.14"


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("root", ["0.0", "3.1", "9.9.1"])
def test_uids_under_a_root_that_nobody_gave_away_are_delivered_to_the_letter(
    source, tmp_path, root
):
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        put(source, keyword, "UI", f"{root}.{len(keyword)}")
    assert len(write(results_of(source), tmp_path, "1.2")) == 4


def test_a_uid_of_ours_with_zeros_in_front_is_invalid(source):
    report = results_of(source)[0].dataset
    put(report, "InstanceCreatorUID", "UI", "1.2.007")
    with pytest.raises(InvalidResult, match="InstanceCreatorUID holds an invalid UID"):
        check(report)


def test_an_image_without_a_series_is_named_all_the_same(source, tmp_path):
    del source.SeriesInstanceUID
    results = results_of(source)
    assert len(write(results, tmp_path, "1.2")) == 4
    [study] = results[0].dataset.CurrentRequestedProcedureEvidenceSequence
    [image] = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_a_long_name_in_an_alphabet_of_several_bytes_is_no_error(source, tmp_path):
    name = "Константинопольский^Александр^Владимирович"
    source.PatientName = name
    results = results_of(source)
    assert len(write(results, tmp_path, "1.2")) == 4
    assert str(results[0].dataset.PatientName) == name


def test_a_text_with_too_many_characters_is_invalid(source):
    report = results_of(source)[0].dataset
    put(report, "StudyDescription", "LO", "D" * 65)
    with pytest.raises(InvalidResult, match="StudyDescription is too long"):
        check(report)


def test_several_patient_ids_are_copied_to_the_letter(source, tmp_path):
    put(source, "PatientID", "LO", "A\\B")
    results = results_of(source)
    assert len(write(results, tmp_path, "1.2")) == 4
    assert list(results[0].dataset.PatientID) == ["A", "B"]
