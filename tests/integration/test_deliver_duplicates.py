"""What becomes of a result of which the destination says that it has it already."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from daemon.intake.association.associate import Answered, Result
from daemon.intake.association.command import write_answer
from daemon.intake.association.pdu import message
from daemon.settings import StowDestination
from tests.archives.archive import FIND, HostileArchive
from tests.support.office import Office
from tests.support.raw import element

C_FIND = 0x0020
SHOWS, SHOWS_ANOTHER, SHOWS_NOTHING = "shows", "shows another", "shows nothing"


@pytest.fixture
def office(tmp_path):
    opened = Office(tmp_path, results=1)
    yield opened
    opened.ledger.close()


def claims(asked, query=None):
    """Play an archive that has everything already; `query` says what it answers to queries."""

    def play(c):
        wanted = c.asked()
        is_query = wanted.contexts[0].abstract_syntax == FIND
        if is_query and query is None:
            c.accept()
            return
        answers = [
            Answered(one.context_id, Result.ACCEPTED, one.transfer_syntaxes[0])
            for one in wanted.contexts
        ]
        c.accept(answers=answers)
        while request := c.request():
            if request.command.field != C_FIND:
                asked.append(request.instance)
                c.answer(request, 0x0111)
            elif query == "mute":
                c.pause()
            elif isinstance(query, int):
                c.answer(request, query)
            else:
                match(c, request, asked[-1] if query == SHOWS else "1.2.3.4", query)

    return play


def match(c, request, instance, query):
    if query != SHOWS_NOTHING:
        pending = write_answer(request.command, 0xFF00, has_data_set=True)
        explicit = element("SOPInstanceUID", instance.encode())
        identifier = explicit[:4] + explicit[6:8] + b"\0\0" + explicit[8:]
        c.send(message(request.context_id, pending, identifier, 0))
    c.answer(replace(request), 0x0000)


@pytest.mark.parametrize(
    ("query", "state", "words"),
    [
        (SHOWS, "delivered", None),
        (SHOWS_ANOTHER, "parked", "does not show it"),
        (SHOWS_NOTHING, "parked", "does not show it"),
        (None, "delivered", None),
        (0x0122, "delivered", None),
        (0xA700, "pending", "could not be asked now"),
        ("mute", "pending", "could not be asked now"),
    ],
)
def test_a_duplicate_is_there_unless_the_archive_does_not_show_it(office, query, state, words):
    asked = []
    with HostileArchive("archive", claims(asked, query)) as archive:
        courier = office.courier(archive.destination())
        courier.outgoing.dimse.timeout_s = 1.0
        assert courier.turn(office.clock()) == 1
    [row] = office.rows()
    assert (row.state, row.status) == (state, 0x0111)
    assert (words is None) == (row.detail is None)
    assert words is None or words in row.detail
    assert asked == [office.files[0].sop_instance_uid]


JSON, XML = "application/dicom+json", "application/dicom+xml"


def failed(reason):
    item = {"00081197": {"vr": "US", "Value": [reason]}}
    return json.dumps({"00081198": {"vr": "SQ", "Value": [item]}}).encode()


def failed_xml(reason):
    return (
        '<NativeDicomModel><DicomAttribute tag="00081198" vr="SQ"><Item number="1">'
        '<DicomAttribute tag="00081197" vr="US"><Value number="1">'
        f"{reason}</Value></DicomAttribute></Item></DicomAttribute></NativeDicomModel>"
    ).encode()


@contextmanager
def web(conflict, kind, found):
    """A web archive that has everything already; `found` are status and body of a query."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.say(409, kind, conflict)

        def do_GET(self):
            self.say(found[0], JSON, found[1])

        def say(self, code, kind, body):
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield StowDestination(name="archive", url=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def shown(instance):
    return json.dumps([{"00080018": {"vr": "UI", "Value": [instance]}}]).encode()


@pytest.mark.parametrize(
    ("conflict", "kind", "code", "is_shown", "state"),
    [
        (failed(0x0111), JSON, 200, True, "delivered"),
        (failed_xml(0x0111), XML, 200, True, "delivered"),
        (b"", "text/plain", 200, True, "delivered"),
        (failed(0x0111), JSON, 200, False, "parked"),
        (b"", "text/plain", 404, False, "delivered"),
        (b"", "text/plain", 503, False, "pending"),
        (failed(0xA900), JSON, 200, True, "parked"),
        (failed_xml(0xC000), XML, 404, False, "parked"),
        (failed(0xA700), JSON, 200, False, "pending"),
    ],
)
def test_a_conflict_of_the_web_is_asked_about_too(office, conflict, kind, code, is_shown, state):
    instance = office.files[0].sop_instance_uid
    found = (code, shown(instance if is_shown else "1.2.3"))
    with web(conflict, kind, found) as destination:
        assert office.courier(destination).turn(office.clock()) == 1
    assert office.states() == [state]


def test_a_courier_that_stops_ends_with_the_object_in_hand(tmp_path):
    office = Office(tmp_path, results=5)
    begun = threading.Event()

    def slow(c):
        c.accept()
        while request := c.request():
            begun.set()
            c.pause(0.3)
            c.archive.keep(request)
            c.answer(request)

    with HostileArchive("archive", slow) as archive:
        courier = office.courier(archive.destination())
        turn = threading.Thread(target=courier.turn, args=(office.clock(),))
        turn.start()
        assert begun.wait(5)
        courier.outgoing.stopping.set()
        turn.join(5)
    assert sorted(office.states()) == ["delivered", *["pending"] * 4]
    assert [row.attempts for row in office.rows()] == [1, 0, 0, 0, 0]
    office.ledger.close()


def test_what_gets_no_answer_because_we_hang_up_is_due_at_once(office):
    with HostileArchive("archive", lambda c: c.pause()) as archive:
        courier = office.courier(archive.destination())
        turn = threading.Thread(target=courier.turn, args=(office.clock(),))
        turn.start()
        assert archive.called.wait(5)
        courier.outgoing.hang_up()
        turn.join(5)
        assert not turn.is_alive()
    [row] = office.rows()
    assert (row.state, row.attempts) == ("pending", 0)
    assert office.deliveries.due("archive", office.clock()) != []
    assert not courier.breaker.is_on_trial
