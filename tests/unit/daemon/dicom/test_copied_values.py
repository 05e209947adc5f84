"""What results copy from a header is what DICOM allows; and whose the results of a study are."""

from dataclasses import replace

import pytest
from pydicom import DataElement, Dataset, config

from daemon.dicom.agreement import issued_under
from daemon.dicom.values import date_text, uid_text
from tests.support.headers import header_of
from tests.support.objects import dx
from tests.support.phantoms import wrist


@pytest.fixture
def source():
    return dx(wrist("PA", spacing_mm=0.8))


def said_of(source, keyword, vr, value):
    source[keyword] = DataElement(keyword, vr, value, validation_mode=config.IGNORE)
    return header_of(source)


@pytest.mark.parametrize("orientation", ["L\\F", "LA\\FP", "A\\H"])
def test_an_orientation_of_directions_is_kept(source, orientation):
    header = said_of(source, "PatientOrientation", "CS", orientation)
    assert "\\".join(header.orientation) == orientation


@pytest.mark.parametrize("orientation", ["L\\L", "AP\\F", "LL\\F", "L", "L\\F\\L", "Q\\F", "L\\"])
def test_an_orientation_that_points_nowhere_is_left_out(source, orientation):
    header = said_of(source, "PatientOrientation", "CS", orientation)
    assert header.orientation is None
    assert "PatientOrientation" in header.unreadable


@pytest.mark.parametrize("uid", ["1.2.840.10008", "1.2.007.4", "2.25.0"])
def test_a_uid_is_kept_to_the_letter(uid):
    assert uid_text(uid) == uid


@pytest.mark.parametrize("uid", ["", "1", "1.", ".1", "1..2", "1.a", "1." * 33 + "1", "1.2\n"])
def test_what_is_no_uid_says_nothing(uid):
    assert uid_text(uid) == ""


def test_a_year_that_nobody_alive_was_born_in_is_no_date():
    assert (date_text("19800102"), date_text("00010101")) == ("19800102", "")


def test_an_order_is_read_from_a_document_too(source):
    order = Dataset()
    order.RequestedProcedureID = "RP-1"
    source.ReferencedRequestSequence = [order]
    assert [one.procedure_id for one in header_of(source).orders] == ["RP-1"]


def test_results_are_issued_under_the_first_header_with_a_patient_id(source):
    named = header_of(source)
    nameless = replace(named, patient_id="")
    assert issued_under([nameless, named]) is named
    assert issued_under([nameless, nameless]) is nameless
    with pytest.raises(ValueError, match="at least one"):
        issued_under([])
