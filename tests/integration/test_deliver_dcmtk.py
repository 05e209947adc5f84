"""Couriers and DCMTK's archive."""

import socket
import subprocess
import time
from contextlib import contextmanager

import pytest
from pydicom import dcmread

from daemon.dicom.tls import client_context
from daemon.settings import DimseDestination
from tests.support.certificates import authority, signed
from tests.support.office import PATIENCE, Office
from tests.support.tools import end_process, free_port, tool, wait_until


@pytest.fixture
def office(tmp_path):
    opened = Office(tmp_path)
    yield opened
    opened.ledger.close()


@contextmanager
def storescp(folder, *options):
    """DCMTK's archive; gives the destination that it is."""
    program = tool("storescp")
    if program is None:
        pytest.skip("needs DCMTK")
    folder.mkdir(exist_ok=True)
    port = free_port()
    process = subprocess.Popen([program, "-od", str(folder), *options, str(port)])
    try:
        wait_until(lambda: listens(port), "storescp listens")
        yield DimseDestination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=port)
    finally:
        end_process(process, within_s=5)


def listens(port):
    """Tell whether the port is taken, without connecting: storescp would serve the connection."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


@pytest.mark.acceptance
def test_dcmtk_keeps_the_bytes_of_the_data_set(office, tmp_path):
    with storescp(tmp_path / "kept", "-B") as destination:
        assert office.turn(destination) == 2
    assert office.states() == ["delivered", "delivered"]
    kept = {dcmread(file).SOPInstanceUID: dcmread(file) for file in (tmp_path / "kept").iterdir()}
    assert all(kept[one.sop_instance_uid] == dcmread(tmp_path / one.file) for one in office.files)


@pytest.mark.acceptance
@pytest.mark.parametrize(("ours", "states"), [("node", "delivered"), ("stranger", "pending")])
def test_dcmtk_under_tls_takes_results_from_whom_the_authority_knows(
    office, tmp_path, ours, states
):
    by, other = authority(tmp_path), authority(tmp_path, "foreign")
    certificate, key = signed(tmp_path, "archive", by)
    known = {"node": signed(tmp_path, "node", by), "stranger": signed(tmp_path, "stranger", other)}
    options = ("+tls", key, certificate, "+cf", by, "--require-peer-cert")
    with storescp(tmp_path / "kept", *options) as destination:
        secured = destination.model_copy(update={"tls": True})
        office.turn(secured, client_context(by, known[ours]))
    assert office.states() == [states] * 2


@pytest.mark.acceptance
def test_dcmtk_refusing_the_association_parks_at_once(office, tmp_path):
    with storescp(tmp_path / "kept", "--refuse") as destination:
        office.turn(destination)
    assert office.states() == ["parked", "parked"]


@pytest.mark.acceptance
def test_dcmtk_aborting_after_it_stored_is_sent_again_until_it_answers(office, tmp_path):
    with storescp(tmp_path / "kept", "--abort-after") as destination:
        for _ in range(3):
            office.turn(destination)
            office.clock.advance(PATIENCE.max_delay_s)
    assert office.states() == ["pending", "pending"]
    with storescp(tmp_path / "kept") as destination:
        while office.turn(destination):
            pass
    assert office.states() == ["delivered", "delivered"]
    assert len(list((tmp_path / "kept").iterdir())) == 2


@pytest.mark.acceptance
def test_dcmtk_does_not_wait_for_our_delayed_acknowledgement(tmp_path):
    def each_s(attempt):
        (tmp_path / str(attempt)).mkdir()
        office = Office(tmp_path / str(attempt), results=20)
        with storescp(tmp_path / f"kept-{attempt}") as destination:
            begin = time.perf_counter()
            assert office.turn(destination) == 20
            took = time.perf_counter() - begin
        office.ledger.close()
        return took / 20

    fast = any(each_s(attempt) < 0.03 for attempt in range(5))  # something else may hold us up once
    assert fast, "about 40 ms is the delayed acknowledgement"
