"""The data sets of storage commitment."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from daemon.commitment.transaction import (
    CommitmentRequest,
    EventType,
    read_report,
    read_request,
    report_data,
    request_data,
)
from daemon.errors import Rejected

DX = "1.2.840.10008.5.1.4.1.1.1.1"
REQUEST = CommitmentRequest("2.25.7", {"1.2.1": DX, "1.2.2": DX})
SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def sent(dataset, syntax=ImplicitVRLittleEndian):
    """Return a data set as it goes over an association, and its transfer syntax."""
    return encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian), syntax


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_request_reads_as_it_was_written(syntax):
    assert read_request(*sent(request_data(REQUEST), syntax)) == REQUEST


def test_uids_with_zeros_in_front_are_asked_about_to_the_letter():
    data, syntax = sent(request_data(REQUEST))
    data = data.replace(b"1.2.1\0", b"1.02.1")
    assert set(read_request(data, syntax).items) == {"1.02.1", "1.2.2"}


def test_a_request_that_breaks_off_is_refused_as_a_whole():
    data, syntax = sent(request_data(REQUEST))
    with pytest.raises(Rejected, match="cannot be read"):
        read_request(data[:-4], syntax)


@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_whatever_comes_is_read_or_refused(noise, syntax):
    whole, _ = sent(request_data(REQUEST), syntax)
    for data in (noise, whole[:20] + noise, noise + whole):
        for read in (read_request, read_report):
            with suppress(Rejected):
                assert read(data, syntax).transaction_uid is not None


def test_a_report_names_what_is_kept_and_why_the_rest_is_not():
    kind, data = report_data(REQUEST, {"1.2.1"})
    report = read_report(*sent(data))
    assert kind is EventType.SOME_NOT_KEPT
    assert report.kept == {"1.2.1"}
    assert report.not_kept == {"1.2.2": 0x0112}


def test_a_report_on_everything_has_no_failed_sequence():
    kind, data = report_data(REQUEST, set(REQUEST.items))
    assert kind is EventType.ALL_KEPT
    assert "FailedSOPSequence" not in data


@pytest.mark.parametrize("missing", ["TransactionUID", "ReferencedSOPSequence"])
def test_a_request_without_transaction_or_objects_is_rejected(missing):
    data = request_data(REQUEST)
    del data[missing]
    with pytest.raises(Rejected):
        read_request(*sent(data))


def test_an_empty_request_is_rejected():
    with pytest.raises(Rejected):
        read_request(*sent(Dataset()))
