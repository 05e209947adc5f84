"""The upper layer, byte by byte: what a conforming peer may do, and what ends an association."""

import itertools
import struct

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_context, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from daemon.calling.outgoing import build_outgoing
from daemon.clock import Chronometer
from daemon.intake.association.command import Field, read_command
from daemon.intake.association.requests import Response
from daemon.ledger.ledger import Ledger
from daemon.service.safekeeping import build_safekeeping
from daemon.settings import Place, Settings
from daemon.settings.peers import Commitment, CommitmentPeer
from tests.benchmarks.blast import (
    RELEASE_RQ,
    Item,
    Peer,
    associate_rq,
    data_pdu,
    element,
    pdv,
    store_command,
    store_pdus,
)
from tests.support.objects import dx
from tests.support.receiving import LIMITS, PACS, PICTURE, House, raw

DX = "1.2.840.10008.5.1.4.1.1.1.1"
IMPLICIT = "1.2.840.10008.1.2"
CONTEXTS = {(DX, str(ExplicitVRLittleEndian)): 1, (str(Verification), IMPLICIT): 3}
REQUEST = associate_rq("WRISTD", CONTEXTS, "MODALITY")
ABORT, RELEASED, REJECTED = 7, 6, 3
COMMAND, DATA, LAST = 1, 0, 2


@pytest.fixture
def house(tmp_path):
    with House(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def peer(house):
    opened = Peer(house.receiver.port, timeout_s=10)
    assert opened.associate(REQUEST) == 2
    yield opened
    opened.socket.close()


def item(number=1):
    offer = raw(dx(PICTURE, number=number))
    syntax = str(ExplicitVRLittleEndian)
    return Item(offer.sop_class_uid, syntax, offer.sop_instance_uid, offer.data_set)


def command(field, *elements, data_set=False):
    body = b"".join(
        (
            element(0x0100, struct.pack("<H", field)),
            element(0x0110, b"\7\0"),
            element(0x0800, b"\1\0" if data_set else b"\1\1"),
            *elements,
        )
    )
    return element(0, struct.pack("<L", len(body))) + body


ECHO = command(0x0030, element(0x0002, str(Verification).encode()))


def test_pieces_of_every_size_make_one_object(house, peer):
    whole = item()
    text = store_command(whole)
    pieces = [pdv(1, COMMAND, text[:7]), pdv(1, COMMAND, b""), pdv(1, COMMAND | LAST, text[7:])]
    cut = [0, 1, 4, 1001, 1001, 3000, len(whole.data_set)]
    pieces += [pdv(1, DATA, whole.data_set[a:b]) for a, b in itertools.pairwise(cut)]
    pieces += [pdv(1, DATA | LAST, b"")]
    peer.send(data_pdu(*pieces[:4]) + data_pdu(pieces[4]) + data_pdu(*pieces[5:]))
    assert peer.status() == 0x0000
    assert len(house.ledger.files()) == 1


def test_one_byte_at_a_time_is_understood(house, peer):
    for byte in data_pdu(pdv(3, COMMAND | LAST, ECHO)):
        peer.send(bytes([byte]))
    assert peer.status() == 0x0000


def test_requests_sent_ahead_are_answered_in_their_order(house, peer):
    peer.send(
        store_pdus(item(1), 1, 4096)
        + data_pdu(pdv(3, COMMAND | LAST, ECHO))
        + store_pdus(item(2), 1, 131072)
    )
    assert [peer.status() for _ in range(3)] == [0x0000] * 3
    assert len(house.ledger.files()) == 2


def test_release_is_answered_even_in_the_middle_of_an_object(house, peer):
    peer.send(store_pdus(item(), 1, 1024)[:3000][:1500])
    other = Peer(house.receiver.port)
    other.associate(REQUEST)
    other.send(data_pdu(pdv(1, COMMAND | LAST, store_command(item()))) + RELEASE_RQ)
    assert other.read()[0] == RELEASED
    assert other.read() == b""
    other.socket.close()
    assert house.spooled() == [] or all(path.suffix == ".part" for path in house.spooled())


def test_a_second_release_while_the_first_is_answered_harms_nothing(peer):
    peer.send(RELEASE_RQ + RELEASE_RQ)
    assert peer.read()[0] == RELEASED
    assert peer.read() == b""


def test_an_abort_ends_it_without_an_answer(peer):
    peer.send(bytes.fromhex("07000000000400000000"))
    assert peer.read() == b""


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(b"\x09\0\0\0\0\0", 1, id="unknown type"),
        pytest.param(REQUEST, 2, id="second request"),
        pytest.param(bytes.fromhex("06000000000400000000"), 2, id="release reply"),
        pytest.param(data_pdu(b"\0\0\0\x01\x01"), 6, id="PDV too short"),
        pytest.param(data_pdu(b"\0\0\0\x01\x01\x03"), 6, id="PDV of length 1"),
        pytest.param(data_pdu(b"\xff\xff\xff\xff\x01\x03"), 6, id="PDV too long"),
        pytest.param(data_pdu(pdv(1, LAST, b"data")), 6, id="data without command"),
        pytest.param(data_pdu(pdv(77, COMMAND | LAST, ECHO)), 6, id="unknown context"),
        pytest.param(data_pdu(pdv(3, COMMAND | LAST, b"\1" * 9)), 6, id="no command set"),
        pytest.param(data_pdu(pdv(3, COMMAND | LAST, b"")), 6, id="empty command set"),
        pytest.param(data_pdu(pdv(3, COMMAND | LAST, command(0x8001))), 0, id="an answer"),
    ],
)
def test_what_breaks_the_protocol_is_aborted_with_its_reason(peer, sent, reason):
    peer.send(sent)
    answer = peer.read()
    assert (answer[0], answer[8], answer[9]) == (ABORT, 2, reason)
    assert peer.read() == b""


def test_messages_that_are_mixed_up_are_aborted(peer):
    peer.send(data_pdu(pdv(1, COMMAND | LAST, store_command(item()))))
    peer.send(data_pdu(pdv(3, COMMAND | LAST, ECHO)))
    assert peer.read()[0] == ABORT


def test_an_unknown_operation_and_a_cancel_do_not_end_it(peer):
    peer.send(data_pdu(pdv(3, COMMAND | LAST, command(0x0020))))
    assert peer.status() == 0x0211
    peer.send(data_pdu(pdv(3, COMMAND | LAST, command(Field.C_CANCEL))))
    peer.send(data_pdu(pdv(3, COMMAND | LAST, ECHO)))
    assert peer.status() == 0x0000


def test_an_object_on_the_context_of_another_storage_class_is_taken(house):
    contexts = {("1.2.840.10008.5.1.4.1.1.1", str(ExplicitVRLittleEndian)): 1}
    other = Peer(house.receiver.port, timeout_s=10)
    assert other.associate(associate_rq("WRISTD", contexts, "MODALITY")) == 2
    other.send(store_pdus(item(), 1, 4096))
    assert other.status() == 0x0000
    other.release()
    assert len(house.ledger.files()) == 1


def test_an_object_on_a_context_that_is_not_for_storage_is_answered_0122(house, peer):
    peer.send(store_pdus(item(), 3, 4096))
    assert peer.status() == 0x0122
    peer.send(store_pdus(Item(str(Verification), "", "1.2.3", b"\0" * 10), 1, 4096))
    assert peer.status() == 0x0122
    assert house.ledger.files() == set()


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(command(0x0030, element(0x0002, DX.encode())), id="of another class"),
        pytest.param(ECHO + b"\x08\0\x05\0\x02\0\0\0XX", id="with an element of group 8"),
        pytest.param(ECHO + b"\0\0", id="padded with zeros"),
        pytest.param(
            element(0x0002, str(Verification).encode())
            + element(0x0100, b"\x30\0")
            + element(0x0110, b"\7\0\0\0")
            + element(0x0800, b"\1\1\0\0"),
            id="with numbers of four bytes, without group length",
        ),
    ],
)
def test_an_odd_echo_is_answered_as_others_do(peer, odd):
    peer.send(data_pdu(pdv(3, COMMAND | LAST, odd)))
    assert peer.status() == 0x0000


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        pytest.param(REQUEST[:6] + b"\0\2" + REQUEST[8:], b"\1\2\2", id="protocol version"),
        pytest.param(associate_rq("NOBODY", CONTEXTS, "MODALITY"), b"\1\1\7", id="called AE"),
        pytest.param(associate_rq("WRISTD", CONTEXTS, "NOBODY"), b"\1\1\3", id="calling AE"),
        pytest.param(REQUEST.replace(b".3.1.1.1", b".3.1.1.2"), b"\1\1\2", id="application"),
    ],
)
def test_a_request_that_is_not_for_us_is_rejected_with_its_reason(house, request_bytes, answer):
    peer = Peer(house.receiver.port)
    peer.send(request_bytes)
    said = peer.read()
    assert said[0] == REJECTED
    assert said[7:10] == answer
    peer.socket.close()


def test_hundreds_of_contexts_are_negotiated_and_harm_nobody(house):
    many = {(f"1.2.3.{number}", IMPLICIT): (2 * number + 1) % 256 for number in range(500)}
    peer = Peer(house.receiver.port)
    assert peer.associate(associate_rq("WRISTD", many, "MODALITY")) == 2
    peer.release()
    assert house.send(dx(PICTURE)) == [0x0000]


def test_answers_keep_to_the_length_that_the_peer_takes(tmp_path):
    uid = str(StorageCommitmentPushModel)
    asked = []

    def answerer(request):
        asked.append(request)
        return Response(data_set=bytes(50_000))

    with House(tmp_path, LIMITS, answers={(Field.N_ACTION, uid): answerer}) as house:
        peer = Peer(house.receiver.port)
        assert peer.associate(associate_rq("WRISTD", {(uid, IMPLICIT): 5}, "MODALITY")) == 2
        action = command(
            Field.N_ACTION,
            element(0x0003, uid.encode()),
            element(0x1001, b"1.2.840.10008.1.20.1.1"),
            element(0x1008, b"\1\0"),
            data_set=True,
        )
        peer.send(data_pdu(pdv(5, COMMAND | LAST, action), pdv(5, DATA | LAST, b"refs")))
        first = peer.read()
        answer = read_command(first[12:])
        assert answer.field == 0x8130
        assert answer.values[0x0900] == b"\0\0"
        assert answer.values[0x1008] == b"\1\0"
        sizes = [len(first)]
        while sum(sizes) < 50_000:
            sizes.append(len(peer.read()))
        assert max(sizes) <= 16382 + 6
        assert (asked[0].data_set, asked[0].calling_ae) == (b"refs", "MODALITY")
        peer.release()


def test_the_scp_role_is_granted_to_a_peer_that_reports_commitments(tmp_path):
    uid = str(StorageCommitmentPushModel)
    with House(tmp_path, answers={(Field.N_EVENT_REPORT, uid): lambda _: Response()}) as house:
        ae = AE("MODALITY")
        association = ae.associate(
            "127.0.0.1",
            house.receiver.port,
            contexts=[build_context(uid)],
            ae_title="WRISTD",
            ext_neg=[build_role(uid, scp_role=True)],
        )
        [accepted] = association.accepted_contexts
        assert accepted.as_scp
        association.release()


def test_an_answerer_that_fails_is_answered_0110_and_the_association_goes_on(tmp_path):
    def fail(_request):
        raise RuntimeError("told to fail")

    uid = str(StorageCommitmentPushModel)
    with House(tmp_path, answers={(Field.N_ACTION, uid): fail}) as house:
        peer = Peer(house.receiver.port)
        contexts = {(uid, IMPLICIT): 5, (str(Verification), IMPLICIT): 3}
        peer.associate(associate_rq("WRISTD", contexts, "MODALITY"))
        peer.send(
            data_pdu(pdv(5, COMMAND | LAST, command(Field.N_ACTION, element(0x0003, uid.encode()))))
        )
        assert peer.status() == 0x0110
        peer.send(data_pdu(pdv(3, COMMAND | LAST, ECHO)))
        assert peer.status() == 0x0000
        peer.release()


def test_a_film_on_a_context_whose_syntax_nobody_knows_is_answered_0122(house):
    peer = Peer(house.receiver.port, timeout_s=10)
    assert peer.associate(associate_rq("WRISTD", {("1.2.3.4", "1.2.3.5"): 1}, "MODALITY")) == 2
    peer.send(store_pdus(item(), 1, 4096))
    assert peer.status() == 0x0122
    peer.release()
    assert house.ledger.files() == set()


@pytest.mark.parametrize(
    "data_set",
    [
        pytest.param(b"\xff" * 40, id="noise"),
        pytest.param(struct.pack("<HHL", 0x0008, 0x1199, 6) + b"1.2.3\0", id="no sequence"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_commitment_request_that_cannot_be_read_is_answered_0115(tmp_path, data_set):
    settings = Settings(
        commitment=Commitment(peers=(CommitmentPeer(ae_title="MODALITY", host="x", port=1),)),
        destinations=(PACS,),
    )
    place, uid = Place(root=tmp_path / "state"), str(StorageCommitmentPushModel)
    place.create()
    ledger = Ledger(place.ledger)
    caller = build_outgoing(settings).dimse
    answers = build_safekeeping(settings, place, ledger, caller, Chronometer()).answers
    with House(tmp_path / "state", ledger=ledger, answers=answers) as house:
        peer = Peer(house.receiver.port)
        contexts = {(uid, IMPLICIT): 5, (DX, str(ExplicitVRLittleEndian)): 1}
        peer.associate(associate_rq("WRISTD", contexts, "MODALITY"))
        wanted = [element(0x0003, uid.encode()), element(0x1008, b"\1\0")]
        action = command(Field.N_ACTION, *wanted, data_set=True)
        peer.send(data_pdu(pdv(5, COMMAND | LAST, action), pdv(5, DATA | LAST, data_set)))
        assert peer.status() == 0x0115
        peer.send(data_pdu(pdv(1, COMMAND | LAST, action), pdv(1, DATA | LAST, data_set)))
        assert peer.status() == 0x0122
        peer.release()
