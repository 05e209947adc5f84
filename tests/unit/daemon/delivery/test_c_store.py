"""What each C-STORE status means for a delivery."""

import pytest
from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS

from daemon.delivery.answer import Verdict, judge


def test_success_and_every_warning_of_the_storage_service_mean_kept():
    kept = [
        status
        for status, (kind, *_) in STORAGE_SERVICE_CLASS_STATUS.items()
        if kind in ("Success", "Warning")
    ]
    assert 0x0000 in kept
    assert 0xB000 in kept
    assert {judge(status) for status in kept} == {Verdict.KEPT}


def test_every_failure_of_the_storage_service_is_either_refused_or_passing():
    failures = [
        status for status, (kind, *_) in STORAGE_SERVICE_CLASS_STATUS.items() if kind == "Failure"
    ]
    later = {status for status in failures if judge(status) is Verdict.LATER}
    refused = {status for status in failures if judge(status) is Verdict.REFUSED}
    assert later | refused == set(failures)
    assert later == {0x0110, 0x0213, *range(0xA700, 0xA800)}
    assert {0xA900, 0xC000, 0xCFFF, 0x0111, 0x0122, 0x0124} <= refused


@pytest.mark.parametrize("status", [0xA800, 0x0999, 0xFFFF])
def test_a_status_that_nobody_knows_is_for_a_person(status):
    assert status not in GENERAL_STATUS
    assert judge(status) is Verdict.REFUSED
