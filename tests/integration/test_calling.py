"""Associations and HTTP sessions that we open: TLS, deadlines, bounds, nothing left behind."""

import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
import requests
from pydicom import Dataset
from pynetdicom import AE, build_context
from pynetdicom.sop_class import Verification

from daemon.calling import scu
from daemon.calling.find import STUDY_ROOT_FIND, find
from daemon.calling.scu import Caller
from daemon.calling.transport import MOST_WAITING, THREAD_NAME
from daemon.calling.web import TooLarge, WebCaller
from daemon.dicom.tls import client_context
from daemon.errors import Misconfigured, Unavailable
from daemon.intake.association.associate import Answered, Result
from daemon.intake.association.command import write_answer
from daemon.intake.association.pdu import message
from daemon.settings import DimseDestination
from tests.archives.archive import HostileArchive
from tests.archives.behaviours import BEHAVIOURS
from tests.support.certificates import authority, signed
from tests.support.raw import element
from tests.support.tools import free_port, tool, wait_until

CONTEXTS = [build_context(Verification)]


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    if tool("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("papers")
    ours, other = authority(folder), authority(folder, "foreign")
    return {
        "authority": ours,
        "foreign": other,
        "node": signed(folder, "node", ours),
        "archive": signed(folder, "archive", ours),
        "stranger": signed(folder, "stranger", other),
        "elsewhere": signed(folder, "elsewhere", ours, "DNS:pacs.example"),
        "expired": signed(folder, "expired", ours, days=-1),
    }


def peer(port, **settings):
    place = {"name": "archive", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": port}
    return DimseDestination(**place, **settings)


@contextmanager
def secured(papers, who):
    """An archive under TLS that asks for a certificate of the authority; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*papers[who])
    context.load_verify_locations(papers["authority"])
    context.verify_mode = ssl.CERT_REQUIRED
    ae = AE("ARCHIVE")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, ssl_context=context)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def echo(caller, called):
    with caller.association(called, CONTEXTS) as call:
        return call.association.send_c_echo().Status


def calling_with(papers, ours="node", by="authority"):
    return Caller("WRISTD", 5.0, client_context(papers[by], ours and papers[ours]))


def test_peers_under_tls_prove_who_they_are_and_so_do_we(papers):
    with secured(papers, "archive") as port:
        assert echo(calling_with(papers), peer(port, tls=True)) == 0x0000


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("stranger", "not signed by the authority"),
        ("elsewhere", "for another host"),
        ("expired", "expired"),
    ],
)
def test_a_peer_that_cannot_prove_who_it_is_is_refused_in_words(papers, who, words):
    with secured(papers, who) as port, pytest.raises(scu.Unreachable, match=words) as refused:
        echo(calling_with(papers), peer(port, tls=True))
    assert not refused.value.is_final


def test_a_certificate_for_another_name_is_taken_where_the_settings_say_so(papers):
    called = {"tls": True, "tls_name": "pacs.example"}
    with secured(papers, "elsewhere") as port:
        assert echo(calling_with(papers), peer(port, **called)) == 0x0000


@pytest.mark.parametrize("ours", [None, "stranger"])
def test_a_peer_that_does_not_take_our_certificate_is_named(papers, ours):
    with (
        secured(papers, "archive") as port,
        pytest.raises(scu.NoAssociation, match="does not take our certificate"),
    ):
        echo(calling_with(papers, ours), peer(port, tls=True))


def test_tls_with_a_peer_that_speaks_none_is_no_association(papers):
    ae = AE("ARCHIVE")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    with pytest.raises(scu.Unreachable, match="TLS: no handshake"):
        echo(calling_with(papers), peer(server.server_address[1], tls=True))
    server.shutdown()


def test_files_that_cannot_be_used_are_a_misconfiguration(papers, tmp_path):
    with pytest.raises(Misconfigured, match="tls"):
        client_context(tmp_path / "missing", papers["node"])


@pytest.mark.parametrize(
    ("behaviour", "kind", "is_final"),
    [
        ("rejects-for-good", scu.AssociationRejected, True),
        ("rejects-for-now", scu.AssociationRejected, False),
        ("rejects-without-a-known-reason", scu.AssociationAborted, False),
        ("accepts-no-context", scu.AssociationAborted, False),
        ("garbage-acceptance", scu.AssociationAborted, False),
        ("mute-after-request", scu.AssociationAborted, False),
        ("max-pdu-12", scu.AssociationAborted, False),
    ],
)
def test_why_there_is_no_association_is_told(behaviour, kind, is_final):
    with (
        HostileArchive("archive", BEHAVIOURS[behaviour]) as archive,
        pytest.raises(kind) as refused,
    ):
        echo(Caller("WRISTD", 1.0), archive.destination())
    assert refused.value.is_final is is_final
    assert of_ours() == []


def of_ours():
    return [one for one in threading.enumerate() if one.name == THREAD_NAME]


def test_an_address_where_nobody_listens_and_a_name_that_nobody_knows_are_told_apart():
    caller = Caller("WRISTD", 1.0)
    with pytest.raises(scu.Unreachable, match="is the peer up"):
        echo(caller, peer(free_port()))
    nowhere = peer(1).model_copy(update={"host": "no-such-host.invalid"})
    with pytest.raises(scu.Unreachable, match="host name is not known"):
        echo(caller, nowhere)


def test_what_connects_or_waits_is_cut_when_we_hang_up():
    caller = Caller("WRISTD", 60.0)
    failures = []

    def call(called):
        try:
            echo(caller, called)
        except Unavailable as error:
            failures.append(error)

    with (
        HostileArchive("a", BEHAVIOURS["mute-after-request"]) as mute,
        HostileArchive("b", BEHAVIOURS["drips-acceptance"]) as dripping,
        full_backlog() as never_accepts,
    ):
        called = [mute.destination(), dripping.destination(), peer(never_accepts)]
        threads = [threading.Thread(target=call, args=(one,)) for one in called]
        for thread in threads:
            thread.start()
        wait_until(lambda: mute.associations and dripping.associations, "both to be called")
        begun = time.monotonic()
        caller.hang_up()
        for thread in threads:
            thread.join(10.0)
        assert time.monotonic() - begun < 2.0
        assert len(failures) == 3
        with pytest.raises(scu.NoAssociation, match="stopping"):
            echo(caller, mute.destination())
    assert of_ours() == []


@contextmanager
def full_backlog():
    """A port to which the kernel does not let anybody connect any more."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield port
        for one in waiting:
            one.close()


def finds(number, message_id=None, match=None):
    """Play an archive that answers a query with so many matches, as fast as it can."""

    def play(c):
        wanted = c.asked()
        c.accept(
            answers=[
                Answered(one.context_id, Result.ACCEPTED, "1.2.840.10008.1.2")
                for one in wanted.contexts
            ]
        )
        request = c.request()
        command = replace(request.command, message_id=message_id or request.command.message_id)
        pending = write_answer(command, 0xFF00, has_data_set=True)
        for index in range(number):
            found = implicit(element("StudyInstanceUID", b"1.2.3.%05d" % (10000 + index)))
            c.send(message(request.context_id, pending, match or found, 0))
        c.answer(replace(request, command=command))
        c.request()

    return play


def implicit(data):
    """Turn one element of a short VR from explicit into implicit VR."""
    return data[:4] + data[6:8] + b"\0\0" + data[8:]


def test_a_peer_that_answers_faster_than_anybody_reads_has_to_wait():
    contexts, query = [build_context(STUDY_ROOT_FIND)], Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    with HostileArchive("archive", finds(500)) as archive:
        caller = Caller("WRISTD", 5.0)
        with caller.association(archive.destination(), contexts) as call:
            answers = call.association.send_c_find(query, STUDY_ROOT_FIND)
            first = next(answers)
            waiting = call.association.dimse.msg_queue
            wait_until(lambda: waiting.qsize() >= MOST_WAITING, "answers to pile up")
            threading.Event().wait(0.3)
            assert waiting.qsize() <= MOST_WAITING + 1
            found = [first, *answers]
    assert [status.Status for status, _ in found] == [0xFF00] * 500 + [0x0000]
    assert of_ours() == []


def test_answers_to_another_query_are_no_answers():
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    with HostileArchive("archive", finds(1, message_id=77)) as archive:
        contexts = [build_context(STUDY_ROOT_FIND)]
        with Caller("WRISTD", 5.0).association(archive.destination(), contexts) as call:
            assert find(call, query) == ([], None)
            assert call.answers.strayed


def test_no_answer_is_lost_to_the_reactor_of_an_association():
    """It looks for messages all the time here; by itself it does so only in an unlucky moment."""
    contexts, query = [build_context(STUDY_ROOT_FIND)], Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    over = threading.Event()
    with (
        HostileArchive("archive", finds(500)) as archive,
        Caller("WRISTD", 5.0).association(archive.destination(), contexts) as call,
    ):

        def look():
            while not over.wait(1e-5):
                assert call.association.dimse.get_msg(block=False) == (None, None)

        reactor = threading.Thread(target=look)
        reactor.start()
        try:
            found, status = find(call, query)
        finally:
            over.set()
            reactor.join()
    assert (len(found), status) == (500, 0x0000)


def test_a_query_whose_answer_cannot_be_taken_apart_has_no_end():
    contexts, query = [build_context(STUDY_ROOT_FIND)], Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    cut = b"\x08\x00\x40\x11\xff\xff\xff\xffabcdefgh"  # a sequence without an item
    with (
        HostileArchive("archive", finds(2, match=cut)) as archive,
        Caller("WRISTD", 5.0).association(archive.destination(), contexts) as call,
    ):
        assert find(call, query)[1] is None


def test_a_query_that_is_given_up_half_way_leaves_nothing_behind():
    contexts, query = [build_context(STUDY_ROOT_FIND)], Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
    with HostileArchive("archive", finds(500)) as archive:
        with Caller("WRISTD", 5.0).association(archive.destination(), contexts) as call:
            next(call.association.send_c_find(query, STUDY_ROOT_FIND))
        assert of_ours() == []


@contextmanager
def web(*pieces, pause_s=0.0, tls=None):
    """A web server that sends these pieces as its answer to each request; gives its address."""
    leaving = threading.Event()

    def serve(connection):
        with connection, suppress(OSError):
            while request := read_request(connection):
                assert request
                for piece in pieces:
                    connection.sendall(piece)
                    leaving.wait(pause_s)

    def accept():
        while True:
            try:
                connection = listening.accept()[0]
            except ssl.SSLError:
                continue
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    connections = []
    with socket.create_server(("127.0.0.1", 0)) as plain:
        listening = tls.wrap_socket(plain, server_side=True) if tls else plain
        threading.Thread(target=accept, daemon=True).start()
        port = listening.getsockname()[1]
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}/", connections
        leaving.set()
        listening.close()


def read_request(connection):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return b""
        data += piece
    return data


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


def test_a_web_answer_comes_whole_and_the_connection_is_kept():
    with (
        web(HEAD % 5, b"hello") as (url, connections),
        WebCaller(2.0).session(tls=False) as session,
    ):
        assert [session.get(url).content for _ in range(3)] == [b"hello"] * 3
    assert len(connections) == 1
    assert watches() == []


def watches():
    return [one for one in threading.enumerate() if one.name == "web watch"]


@pytest.mark.parametrize(
    "pieces", [[bytes((byte,)) for byte in HEAD % 5], [HEAD % 50, *[b"x"] * 50], [b""]]
)
def test_a_web_server_that_drips_or_is_mute_is_cut(pieces):
    with (
        web(*pieces, pause_s=0.2) as (url, _connections),
        WebCaller(1.0).session(tls=False) as session,
    ):
        begun = time.monotonic()
        with pytest.raises(requests.RequestException):
            session.get(url)
        assert time.monotonic() - begun < 3.0


def test_a_web_answer_without_an_end_is_cut():
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        web(head, *[chunk] * 1000) as (url, _connections),
        WebCaller(2.0).session(tls=False, largest_answer_bytes=1 << 20) as session,
        pytest.raises(TooLarge),
    ):
        session.get(url)


def test_a_web_session_that_waits_is_cut_when_we_hang_up():
    caller = WebCaller(60.0)
    with web(b"") as (url, connections), caller.session(tls=False) as session:
        cutting = threading.Timer(0.3, caller.hang_up)
        cutting.start()
        begun = time.monotonic()
        with pytest.raises(requests.RequestException):
            session.get(url)
        assert time.monotonic() - begun < 3.0
        assert connections
    with pytest.raises(Unavailable, match="stopping"), caller.session(tls=False):
        pass


def test_a_web_server_is_judged_by_our_authority_and_shown_our_certificate(papers):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*papers["archive"])
    context.load_verify_locations(papers["authority"])
    context.verify_mode = ssl.CERT_REQUIRED
    ours = tuple(map(str, papers["node"]))
    right = WebCaller(2.0, str(papers["authority"]), ours)
    wrong = WebCaller(2.0, str(papers["foreign"]), ours)
    with web(HEAD % 5, b"hello", tls=context) as (url, _connections):
        with right.session(tls=True) as session:
            assert session.get(url).content == b"hello"
        for caller, tls in ((wrong, True), (right, False)):
            with caller.session(tls=tls) as session, pytest.raises(requests.exceptions.SSLError):
                session.get(url)
