"""The account itself: it sees what is lost, doubled, altered and half."""

import pytest
from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage, KeyObjectSelectionDocumentStorage

from tests.chaos.account import settle


def report(  # what a report says
    uid, study, *images, text="same", patient="", model="", sop_class=Comprehensive3DSRStorage
):
    """The least of a report that the account looks at."""
    one = Dataset()
    equipment = Dataset()
    equipment.ManufacturerModelName = model
    one.ContributingEquipmentSequence = [equipment]
    one.SOPClassUID, one.SOPInstanceUID, one.StudyInstanceUID = sop_class, uid, study
    one.SeriesDescription, one.PatientID = text, patient
    series, entry = Dataset(), Dataset()
    series.ReferencedSOPSequence = [_item(image) for image in images]
    entry.ReferencedSeriesSequence = [series]
    one.CurrentRequestedProcedureEvidenceSequence = [entry]
    return one


def _item(image):
    item = Dataset()
    item.ReferencedSOPInstanceUID = image
    return item


PROMISED = {"1.2": {"1.2.1", "1.2.2"}}
GOOD = {"2.25.1": [report("2.25.1", "1.2", "1.2.1", "1.2.2")]}


def test_a_report_on_everything_is_clean_and_so_is_its_resend(tmp_path):
    assert settle(PROMISED, GOOD, [tmp_path]).is_clean
    twice = {"2.25.1": GOOD["2.25.1"] * 2}
    account = settle(PROMISED, twice, [tmp_path])
    assert account.is_clean
    assert account.resent == 1


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        ({}, "lost"),
        ({"2.25.1": [report("2.25.1", "1.2", "1.2.1")]}, "lost"),
        ({**GOOD, "2.25.2": [report("2.25.2", "1.2", "1.2.1", "1.2.2")]}, "duplicated"),
        ({"2.25.1": [*GOOD["2.25.1"], report("2.25.1", "1.2", "1.2.1", text="x")]}, "altered"),
    ],
)
def test_what_does_not_add_up_is_counted(tmp_path, kept, problem):
    account = settle(PROMISED, kept, [tmp_path])
    assert getattr(account, problem) > 0
    assert not account.is_clean


def test_of_two_models_each_has_to_report_and_neither_doubles_the_other(tmp_path):
    both = {uid: [report(uid, "1.2", "1.2.1", "1.2.2", model=uid)] for uid in ("2.25.1", "2.25.2")}
    assert settle(PROMISED, both, [tmp_path], models=2).is_clean
    assert settle(PROMISED, GOOD, [tmp_path], models=2).lost == 2


@pytest.mark.parametrize("name", ["1.part", "1.dcm"])
def test_half_files_are_counted(tmp_path, name):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / name).write_bytes(b"half")
    assert settle(PROMISED, GOOD, [tmp_path]).half == 1


def test_a_superseding_report_with_more_images_is_no_duplicate(tmp_path):
    first = {"2.25.0": [report("2.25.0", "1.2", "1.2.1")]}
    assert settle(PROMISED, {**first, **GOOD}, [tmp_path]).is_clean


TEMPORARY = {"2.25.1": [report("2.25.1", "1.2", "1.2.1", "1.2.2", patient="T")]}
TRUE = {"2.25.2": [report("2.25.2", "1.2", "1.2.1", "1.2.2", patient="P")]}
NOTE = {"2.25.3": [report("2.25.3", "1.2", "2.25.1", sop_class=KeyObjectSelectionDocumentStorage)]}


def test_a_corrected_study_has_two_reports_of_which_a_note_rejects_the_former(tmp_path):
    account = settle(PROMISED, TEMPORARY | TRUE | NOTE, [tmp_path], {"1.2": "P"})
    assert account.is_clean
    assert account.corrected == 1


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        (TEMPORARY, "lost"),
        (TEMPORARY | NOTE, "lost"),
        (TEMPORARY | TRUE, "standing"),
        (TRUE | NOTE | {"2.25.4": [report("2.25.4", "1.2", "1.2.1", patient="T")]}, "standing"),
    ],
)
def test_a_corrected_study_that_is_not_settled_is_counted(tmp_path, kept, problem):
    account = settle(PROMISED, kept, [tmp_path], {"1.2": "P"})
    assert getattr(account, problem) > 0
    assert not account.is_clean


def test_a_report_that_a_note_rejects_does_not_count(tmp_path):
    rejected = {
        "2.25.3": [report("2.25.3", "1.2", "2.25.2", sop_class=NOTE["2.25.3"][0].SOPClassUID)]
    }
    assert settle(PROMISED, TRUE | rejected, [tmp_path], {"1.2": "P"}).lost == 2
