"""What DCMTK and Orthanc accept of senders, we accept."""

import pytest

from tests.benchmarks.blast import Peer
from tests.cases.requests import ACCEPTED
from tests.support.peers import running_orthanc, running_storescp
from tests.support.receiving import LIMITS, House

pytestmark = pytest.mark.acceptance

ASSOCIATE_AC = 2
OPEN = LIMITS.model_copy(update={"callers": ()})


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    with (
        running_storescp(folder / "storescp", "+xa", ae_title="WRISTD") as storescp,
        running_orthanc(folder / "orthanc", DicomAet="WRISTD") as orthanc,
        House(folder / "state", OPEN) as house,
    ):
        yield {"storescp": storescp, "Orthanc": orthanc.port, "wristd": house.receiver.port}


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_odd_request_is_accepted_by_all_three(ports, name):
    answers = {}
    for who, port in ports.items():
        peer = Peer(port, timeout_s=10)
        peer.send(ACCEPTED[name])
        answers[who] = peer.read()[0]
        peer.socket.close()
    assert answers == dict.fromkeys(ports, ASSOCIATE_AC)
