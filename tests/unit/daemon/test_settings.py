"""The settings file: strict, and every problem at once."""

import re
from pathlib import Path

import pytest

from daemon.errors import Misconfigured
from daemon.settings import Settings, load

SHIPPED = Path(__file__).parents[3] / "settings.toml"
DESTINATION = """
[[destinations]]
kind = "dimse"
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = 4242
"""
STOW = '[[destinations]]\nkind = "stow"\nname = "web"\nurl = "http://127.0.0.1/dicom-web"\n'
WADO = '[[sources]]\nkind = "wado"\nname = "web"\nurl = "http://127.0.0.1/dicom-web"\n'
MOVE = """
[[sources]]
kind = "move"
name = "archive"
ae_title = "PACS"
host = "127.0.0.1"
port = 4242
"""
BEFORE = """
[delivery]
web = [{name = "web", url = "https://archive.example/dicom-web"}]
[pull]
sources = [{name = "a", ae_title = "PACS", host = "192.0.2.8", port = 104, retrieve = "get"}]
web = []
[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = 4242
"""
"""What the version before was given."""


def write(tmp_path, text):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return file


def test_the_shipped_file_holds_exactly_the_defaults():
    shipped = load(SHIPPED)
    assert shipped == Settings(destinations=shipped.destinations)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(Misconfigured, match="copy the shipped"):
        load(tmp_path / "none.toml")


def test_what_is_not_toml_says_where(tmp_path):
    with pytest.raises(Misconfigured, match="line 2"):
        load(write(tmp_path, "[node]\nae_title = \n"))


def test_all_problems_are_reported_together(tmp_path):
    text = '[receiver]\nprot = 1\nport = "11112"\n[assembly]\nquiet_period_s = -1.0\n'
    with pytest.raises(Misconfigured) as caught:
        load(write(tmp_path, text))
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert any("receiver.prot: is unknown" in line for line in lines)
    assert any("receiver.port: " in line for line in lines)
    assert any("assembly.quiet_period_s: " in line for line in lines)
    assert any("destinations: is missing" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[node]\nae_title = "A TITLE THAT IS TOO LONG"\n', "node.ae_title"),
        ('[node]\nae_title = "BACK\\\\SLASH"\n', "node.ae_title"),
        ("[assembly]\nquiet_period_s = 100.0\nhard_cap_s = 10.0\n", "shorter than quiet_period_s"),
        (DESTINATION, "used once only"),
        ('[ledger]\nurl = "postgresql+psycopg://me:secret@host/db"\n', "ledger.url"),
    ],
)
def test_values_that_cannot_work_are_refused(tmp_path, text, words):
    with pytest.raises(Misconfigured, match=words):
        load(write(tmp_path, text + DESTINATION))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ('name = "a"', "either a package, or hold = true"),
        ('name = "a"\npackage = "p"\nhold = true', "either a package, or hold = true"),
        ('name = "a"\nhold = true\nprovider = "cpu"', "remove provider, load, operating_points"),
        ('name = "a"\nhold = true', "at least one needs a package"),
    ],
)
def test_a_block_of_models_reads_or_holds(tmp_path, block, words):
    with pytest.raises(Misconfigured, match=words):
        load(write(tmp_path, f"[[models]]\n{block}\n{DESTINATION}"))


def test_the_node_answers_to_every_title_that_a_model_is_asked_by(tmp_path):
    block = '[[models]]\nname = "a"\npackage = "p"\nwhen.called = ["CHEST_AI", "WRISTD"]\n'
    assert load(write(tmp_path, block + DESTINATION)).titles() == ("WRISTD", "CHEST_AI")


def refused(tmp_path, text):
    """Return the lines that refuse a file."""
    with pytest.raises(Misconfigured) as caught:
        load(write(tmp_path, text))
    return str(caught.value).splitlines()


def test_a_file_of_the_version_before_gets_one_line_for_each_old_key(tmp_path):
    each = "one block for each entry; see settings.toml"
    assert dict(line.split(": ", 2)[1:] for line in refused(tmp_path, BEFORE)) == {
        "delivery.web": f'is now [[destinations]] with kind = "stow", {each}',
        "pull.sources": f'is now [[sources]] with kind = "move" or "get", {each}',
        "pull.web": f'is now [[sources]] with kind = "wado", {each}',
        "destinations.0.kind": 'is missing; add kind = "dimse" or "stow"',
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DESTINATION.replace("dimse", "dicom"), "destinations.0.kind: 'dicom' is unknown; write "),
        (DESTINATION.replace('"dimse"', "1"), "destinations.0.kind: '1' is unknown; write "),
        (DESTINATION + STOW.replace("kind", "#"), "destinations.1.kind: is missing; add "),
        (DESTINATION + "colour = true\n", "destinations.0.colour: is unknown; remove it"),
        (STOW + "check_patient = true\n", "destinations.0.check_patient: is unknown; remove it"),
        (DESTINATION + MOVE + 'retrieve = "get"\n', "sources.0.retrieve: is now kind"),
        (DESTINATION + MOVE.replace("4242", "0"), "sources.0.port: "),
        (DESTINATION + MOVE.replace("move", "put"), 'write kind = "move", "get" or "wado"'),
        (DESTINATION.replace("dimse", "stow"), "destinations.0.url: is missing"),
    ],
)
def test_a_peer_that_cannot_be_is_refused_by_its_key(tmp_path, text, words):
    assert any(words in one for one in refused(tmp_path, text))


def test_problems_of_several_peers_are_reported_together(tmp_path):
    stow = STOW.replace("http:", "ftp:")
    lines = refused(tmp_path, DESTINATION.replace("4242", '"104"') + stow + MOVE + MOVE)
    keys = {line.split(": ")[1] for line in lines}
    assert keys == {"destinations.0.port", "destinations.1.url", "sources"}


def test_peers_are_of_their_kinds_in_the_order_of_the_file(tmp_path):
    get = MOVE.replace("move", "get").replace("archive", "other")
    settings = load(write(tmp_path, STOW + DESTINATION + WADO + get + MOVE))
    assert [(one.kind, one.name) for one in settings.destinations] == [
        ("stow", "web"), ("dimse", "pacs"),
    ]  # fmt: skip
    assert [(one.kind, one.name) for one in settings.sources] == [
        ("wado", "web"), ("get", "other"), ("move", "archive"),
    ]  # fmt: skip


def test_a_name_is_used_once_among_destinations_and_once_among_sources(tmp_path):
    source = WADO.replace('"web"', '"pacs"')
    load(write(tmp_path, DESTINATION + source))
    twice = STOW.replace('"web"', '"pacs"') + DESTINATION
    assert sorted(refused(tmp_path, twice + source + source)) == [
        "settings.toml: destinations: every name must be used once only: pacs",
        "settings.toml: sources: every name must be used once only: pacs",
    ]


def test_tls_at_a_peer_of_any_kind_needs_an_authority(tmp_path):
    for peer in (DESTINATION, DESTINATION + MOVE, STOW.replace("http:", "https:")):
        [line] = refused(tmp_path, peer + "tls = true\n")
        assert "needs tls.authority" in line


def test_who_asks_for_commitment_gets_the_report_at_its_own_address(tmp_path):
    peers = '[commitment]\npeers = [{ae_title = "PACS", host = "192.0.2.7", port = 104}]\n'
    other = DESTINATION.replace('"pacs"', '"other"').replace("PACS", "OTHER")
    settings = load(write(tmp_path, peers + STOW + DESTINATION + other))
    known = settings.commitment_peers()
    assert {title: one.host for title, one in known.items()} == {
        "PACS": "192.0.2.7",
        "OTHER": "127.0.0.1",
    }


def test_settings_survive_the_way_to_a_receiver_process(tmp_path):
    settings = load(write(tmp_path, DESTINATION + STOW + MOVE + WADO))
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_the_blocks_that_the_shipped_file_shows_as_comments_can_be_used(tmp_path):
    text = re.sub(r"(?m)^#(?=\S)", "", SHIPPED.read_text())
    settings = load(write(tmp_path, text))
    assert [one.kind for one in settings.destinations] == ["dimse", "stow"]
    assert [one.kind for one in settings.sources] == ["move", "wado"]


def test_only_what_shapes_results_changes_their_digest(tmp_path):
    plain = load(write(tmp_path, DESTINATION))
    port = load(write(tmp_path, "[receiver]\nport = 104\n" + DESTINATION))
    map_off = load(write(tmp_path, "[report]\nheat_map = false\n" + DESTINATION))
    [wrist] = plain.models
    other = wrist.model_copy(update={"name": "other"})
    assert plain.results_digest(wrist) == port.results_digest(wrist)
    assert plain.results_digest(wrist) != map_off.results_digest(wrist)
    assert plain.results_digest(wrist) != plain.results_digest(other)


def test_a_file_written_on_another_system_is_read(tmp_path):
    file = tmp_path / "settings.toml"
    text = '[node]\nae_title = "WRISTD "\n[receiver]\ncallers = [" MODALITY "]\n' + DESTINATION
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    settings = load(file)
    assert settings.node.ae_title == "WRISTD"
    assert settings.receiver.callers == ("MODALITY",)


def test_lines_of_an_old_mac_and_blanks_around_texts_do_not_count(tmp_path):
    file = tmp_path / "settings.toml"
    text = DESTINATION.replace('"127.0.0.1"', '" 127.0.0.1 "').replace('"pacs"', '"pacs\\t"')
    file.write_bytes(text.replace("\n", "\r").encode())
    [destination] = load(file).destinations
    assert (destination.host, destination.name) == ("127.0.0.1", "pacs")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DESTINATION.encode("utf-16"), "UTF-16, or is no text; save it as UTF-8"),
        (DESTINATION.encode("utf-16-le"), "UTF-16, or is no text; save it as UTF-8"),
        (DESTINATION.encode() + b"\0", "UTF-16, or is no text; save it as UTF-8"),
        ("# J\xfcrg\n".encode("latin-1"), "line 1 has byte FC, which is not UTF-8"),
        (
            DESTINATION.replace('"PACS"', "\u201cPACS\u201d").encode(),
            "line 5 has a left double quo",
        ),
        (DESTINATION.replace(" = 4", "\u00a0= 4").encode(), "line 7 has a no-break space"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words_that_say_what_to_do(tmp_path, data, words):
    file = tmp_path / "settings.toml"
    file.write_bytes(data)
    with pytest.raises(Misconfigured, match=words):
        load(file)
