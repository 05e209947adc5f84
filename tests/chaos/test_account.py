"""The account itself: it sees what is lost, doubled, altered and half."""

import pytest
from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from tests.chaos.account import settle


def report(uid, study, *images, text="same"):
    """The least of a report that the account looks at."""
    one = Dataset()
    one.SOPClassUID, one.SOPInstanceUID, one.StudyInstanceUID = Comprehensive3DSRStorage, uid, study
    one.SeriesDescription = text
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
    assert settle(PROMISED, GOOD, tmp_path).is_clean
    twice = {"2.25.1": GOOD["2.25.1"] * 2}
    account = settle(PROMISED, twice, tmp_path)
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
    account = settle(PROMISED, kept, tmp_path)
    assert getattr(account, problem) > 0
    assert not account.is_clean


@pytest.mark.parametrize("name", ["1.part", "1.dcm"])
def test_half_files_are_counted(tmp_path, name):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / name).write_bytes(b"half")
    assert settle(PROMISED, GOOD, tmp_path).half == 1


def test_a_superseding_report_with_more_images_is_no_duplicate(tmp_path):
    first = {"2.25.0": [report("2.25.0", "1.2", "1.2.1")]}
    assert settle(PROMISED, {**first, **GOOD}, tmp_path).is_clean
