"""Mutual TLS: who shows a certificate of our authority is served, and nobody else is."""

import ssl
import threading
import time

import pytest
from pynetdicom import build_context
from pynetdicom.sop_class import Verification

from daemon.calling.scu import Caller, NoAssociation
from daemon.errors import Misconfigured
from daemon.settings.peers import DimsePeer
from tests.benchmarks.blast import Peer
from tests.support.certificates import authority, signed
from tests.support.receiving import LIMITS, House
from tests.support.tools import tool

pytestmark = pytest.mark.skipif(tool("openssl") is None, reason="needs openssl")


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("papers")
    ours = authority(folder)
    other = authority(folder, "foreign")
    return {
        "authority": ours,
        "node": signed(folder, "node", ours),
        "modality": signed(folder, "modality", ours),
        "stranger": signed(folder, "stranger", other),
    }


@pytest.fixture
def house(tmp_path, papers):
    certificate, key = papers["node"]
    tls = {
        "tls_certificate": str(certificate),
        "tls_key": str(key),
        "tls_authority": str(papers["authority"]),
        "association_timeout_s": 10.0,
    }
    with House(tmp_path / "state", LIMITS.model_copy(update=tls)) as opened:
        yield opened


def echo(house, papers, who=None, newest=None):
    """Return the status of a C-ECHO over TLS, None without an association."""
    context = ssl.create_default_context(cafile=papers["authority"])
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
    if who is not None:
        context.load_cert_chain(*papers[who])
    port = house.receiver.port
    node = DimsePeer(ae_title="WRISTD", host="127.0.0.1", port=port, tls=True)
    # pynetdicom's own caller leaves a socket open whose handshake failed.
    try:
        with Caller("MODALITY", 10.0, context).association(
            node, [build_context(Verification)]
        ) as call:
            return call.association.send_c_echo().get("Status")
    except NoAssociation:
        return None


def test_a_sender_with_our_authoritys_certificate_is_served(house, papers):
    assert echo(house, papers, "modality") == 0x0000


@pytest.mark.parametrize("who", [None, "stranger"])
def test_a_sender_without_it_is_not(house, papers, who):
    assert echo(house, papers, who) is None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_refused(house, papers):
    assert echo(house, papers, "modality", ssl.TLSVersion.TLSv1_1) is None


def test_a_client_that_never_shakes_hands_delays_nobody_and_is_cut(house, papers):
    silent = [Peer(house.receiver.port) for _ in range(5)]
    begun = time.monotonic()
    assert echo(house, papers, "modality") == 0x0000
    assert time.monotonic() - begun < 10.0
    for peer in silent:
        peer.socket.settimeout(60)
        assert peer.socket.recv(1) == b""
        peer.socket.close()


def test_half_open_connections_are_limited_while_they_shake_hands_too(house, papers):
    limit = LIMITS.max_half_open
    silent = [Peer(house.receiver.port) for _ in range(limit + 20)]
    for peer in silent[:20]:  # the oldest are cut, long before their handshake is overdue
        peer.socket.settimeout(5)
        assert peer.socket.recv(1) == b""
    assert echo(house, papers, "modality") == 0x0000
    serving = [one for one in threading.enumerate() if one.name == "association"]
    assert len(serving) <= limit + 1
    for peer in silent:
        peer.socket.close()


def test_files_that_cannot_be_used_are_a_misconfiguration(tmp_path):
    broken = LIMITS.model_copy(
        update={"tls_certificate": "/no", "tls_key": "/no", "tls_authority": "/no"}
    )
    with pytest.raises(Misconfigured, match="tls_"):
        House(tmp_path, broken)
