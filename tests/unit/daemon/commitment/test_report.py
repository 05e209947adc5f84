"""The data sets of storage commitment."""

import pytest
from pydicom import Dataset

from daemon.commitment.report import (
    EventType,
    Request,
    read_report,
    read_request,
    report_data,
    request_data,
)
from daemon.errors import Rejected

DX = "1.2.840.10008.5.1.4.1.1.1.1"
REQUEST = Request("2.25.7", {"1.2.1": DX, "1.2.2": DX})


def test_a_request_reads_as_it_was_written():
    assert read_request(request_data(REQUEST)) == REQUEST


def test_a_report_names_what_is_kept_and_why_the_rest_is_not():
    kind, data = report_data(REQUEST, {"1.2.1"})
    report = read_report(data)
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
        read_request(data)


def test_an_empty_request_is_rejected():
    with pytest.raises(Rejected):
        read_request(Dataset())
