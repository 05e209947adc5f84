"""`wristd check` opens what the daemon would open, changes nothing, and says what is wrong."""

import http.server
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from daemon.ledger.ledger import Ledger
from daemon.operate.check import check_all
from daemon.operate.echo import Peer, ask_all
from daemon.settings import DimseDestination, StowDestination, load
from tests.support.certificates import authority, signed
from tests.support.node import fast_settings, running_daemon, settings_text
from tests.support.office import calling
from tests.support.tools import free_port


class Pacs:
    """Where results would go."""

    ae_title, port = "PACS", 1


def check(folder, *words, **sections):
    """Run it; return exit code and what it printed."""
    folder.mkdir(exist_ok=True)
    file = folder / "settings.toml"
    if not file.exists():
        file.write_text(settings_text(fast_settings(sections), [Pacs]))
    command = [sys.executable, "-m", "daemon", "check", *words, "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def line(said, what):
    [found] = [one for one in said.splitlines() if f" {what}: " in one]
    return found


def test_what_can_be_opened_is_good_and_nothing_is_made(tmp_path):
    port = free_port()
    code, said = check(tmp_path, receiver={"host": "127.0.0.1", "port": port})
    assert code == 0, said
    assert line(said, "receiver.port").endswith(f"{port} on 127.0.0.1 is free")
    assert "will be made" in line(said, "node.state_dir")
    assert "does not exist yet" in line(said, "ledger")
    assert "wrist-demo 1, verified" in line(said, "models.wrist")
    assert [one.name for one in tmp_path.iterdir()] == ["settings.toml"]


def test_beside_the_running_daemon_its_port_is_good_and_another_programs_is_not(tmp_path):
    port = free_port()
    sections = {"receiver": {"host": "127.0.0.1", "port": port}}
    with running_daemon(tmp_path / "node", [Pacs], sections) as node:
        code, said = check(tmp_path / "node")
        assert code == 0, said
        holder = f"held by the daemon that runs here (process {node.process.pid})"
        assert line(said, "receiver.port").endswith(holder)
        assert "that of this version" in line(said, "ledger")
        code, said = check(tmp_path / "other", **sections)
        assert code == 78
        assert line(said, "receiver.port").startswith("wrong")
    with socket.create_server(("127.0.0.1", port)):
        assert check(tmp_path / "node")[0] == 78


def test_folder_space_ledger_and_package_that_cannot_be_used_are_all_named(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "spool").write_text("no folder")
    Ledger(state / "ledger.sqlite").close()
    with closing(sqlite3.connect(state / "ledger.sqlite")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    code, said = check(
        tmp_path,
        receiver={"port": 0, "min_free_bytes": 2**62, "warn_free_bytes": 2**62},
        models=[{"name": "wrist", "package": "nowhere"}],
    )
    assert code == 78
    wrong = [one for one in said.splitlines() if one.startswith("wrong")]
    assert [one.split()[1].rstrip(":") for one in wrong] == [
        "node.state_dir", "disk", "ledger", "models.wrist",
    ]  # fmt: skip
    assert "schema 9999, which only a newer version knows" in line(said, "ledger")


@pytest.mark.parametrize(
    ("ceiling", "code", "words"),
    [(10**9, 0, "bytes for models that are loaded"), (1, 78, "raise it, or give one of them load")],
)
def test_a_ceiling_that_is_too_low_for_the_models_is_named(tmp_path, ceiling, code, words):
    sections = {"receiver": {"port": 0}, "reading": {"max_models_bytes": ceiling}}
    found, said = check(tmp_path, **sections)
    assert (found, words in line(said, "reading.max_models_bytes")) == (code, True), said


def test_a_ledger_that_is_none_is_named(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ledger.sqlite").write_bytes(b"noise" * 1000)
    code, said = check(tmp_path, receiver={"port": 0})
    assert code == 78
    assert line(said, "ledger").startswith("wrong")


@pytest.mark.parametrize(
    ("days", "fits", "level", "words"),
    [
        (400, True, "good", "fits its key, is valid until "),
        (20, True, "warning", "(19 days)"),
        (-1, True, "wrong", "is not valid: certificate has expired"),
        (400, False, "wrong", "cannot be used"),
    ],
)
def test_our_certificate_is_shown_and_judged(tmp_path, days, fits, level, words):
    ours = authority(tmp_path)
    certificate, key = signed(tmp_path, "node", ours, days=days)
    if not fits:
        _other, key = signed(tmp_path, "other", ours)
    tls = {"tls_certificate": certificate, "tls_key": key, "tls_authority": ours}
    receiver = {"port": 0, **{name: str(file) for name, file in tls.items()}}
    file = tmp_path / "settings.toml"
    file.write_text(settings_text(fast_settings({"receiver": receiver}), [Pacs]))
    findings = check_all(load(file), file, lambda _model: "", str, peers=False)
    [found] = [one for one in findings if one.what == "receiver.tls_certificate"]
    assert (found.level, words in found.words) == (level, True), found


@contextmanager
def echo_scp(*callers):
    ae = AE("ARCHIVE")
    ae.require_called_aet, ae.require_calling_aet = True, list(callers)
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@contextmanager
def web_server(status):
    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/dicom/studies?limit=1" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/dicom"
    finally:
        server.shutdown()
        server.server_close()


def called(name, port, ae_title="ARCHIVE"):
    peer = DimseDestination(name=name, ae_title=ae_title, host="127.0.0.1", port=port)
    return Peer(name, peer)


def asked_over_http(name, url):
    return Peer(name, StowDestination(name=name, url=url))


def test_each_peer_says_what_it_answers_and_a_mute_one_holds_up_nobody():
    with (
        echo_scp() as good,
        echo_scp("SOMEBODY") as strict,
        socket.create_server(("127.0.0.1", 0)) as mute,
        web_server(204) as web,
        web_server(401) as closed,
    ):
        peers = [
            called("good", good),
            called("title", good, "OTHER"),
            called("caller", strict),
            called("mute", mute.getsockname()[1]),
            called("away", free_port()),
            asked_over_http("web", web),
            asked_over_http("closed", closed),
        ]
        asked = {one.name: one for one in ask_all(peers, calling(3.0))}
    assert [name for name, one in asked.items() if one.is_good] == ["good", "web"]
    assert "Called AE title not recognised" in asked["title"].words
    assert "Calling AE title not recognised" in asked["caller"].words
    assert "the peer does not answer" in asked["mute"].words
    assert "is the peer up" in asked["away"].words
    assert "credentials in ~/.netrc" in asked["closed"].words


def test_with_peers_each_is_asked_by_its_kind_and_one_that_is_away_is_wrong(tmp_path):
    dimse = {"ae_title": "ARCHIVE", "host": "127.0.0.1"}
    with echo_scp() as port, web_server(204) as url:
        code, said = check(
            tmp_path,
            "--peers",
            receiver={"port": 0},
            destinations=[{"kind": "stow", "name": "web", "url": url}],
            commitment={"peers": [{**dimse, "port": port}]},
            sources=[
                {"kind": "wado", "name": "films", "url": url},
                {"kind": "get", "name": "archive", **dimse, "port": port},
            ],
        )
    assert code == 78
    assert line(said, "destinations.web").endswith(f"{url} answers")
    assert line(said, "destinations.pacs").startswith("wrong")
    assert line(said, "commitment.peers.ARCHIVE").endswith("answers C-ECHO")
    assert line(said, "sources.films").endswith(f"{url} answers")
    assert line(said, "sources.archive").endswith("answers C-ECHO")
