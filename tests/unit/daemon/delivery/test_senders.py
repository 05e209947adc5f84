"""By which sender results go, by the kind of their destination."""

import pytest

from daemon.delivery.c_store import StorageUser
from daemon.delivery.recheck import PatientCheck
from daemon.delivery.senders import sender_for
from daemon.delivery.stow import StowUser
from daemon.settings import DimseDestination, StowDestination
from daemon.settings.peers import KINDS
from tests.support.office import calling

DIMSE = DimseDestination(name="pacs", ae_title="PACS", host="127.0.0.1", port=104)
CASES = [
    (DIMSE, StorageUser),
    (DIMSE.model_copy(update={"check_patient": True}), PatientCheck),
    (StowDestination(name="web", url="http://127.0.0.1/dicom-web"), StowUser),
]


@pytest.mark.parametrize(("destination", "sender"), CASES)
def test_a_destination_gets_the_sender_of_its_kind(destination, sender):
    assert type(sender_for(destination, calling(1.0))) is sender


def test_every_kind_of_destination_has_a_sender():
    assert {destination.kind for destination, _sender in CASES} == set(KINDS["destinations"])
