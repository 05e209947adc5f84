"""The settings file: strict, and every problem at once."""

from pathlib import Path

import pytest

from daemon.errors import Misconfigured
from daemon.settings import Settings, load

SHIPPED = Path(__file__).parents[3] / "settings.toml"
DESTINATION = """
[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = 4242
"""


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
        ('name = "a"\nhold = true\nprovider = "cpu"', "remove provider and operating_points"),
        ('name = "a"\nhold = true', "at least one needs a package"),
    ],
)
def test_a_block_of_models_reads_or_holds(tmp_path, block, words):
    with pytest.raises(Misconfigured, match=words):
        load(write(tmp_path, f"[[models]]\n{block}\n{DESTINATION}"))


def test_the_node_answers_to_every_title_that_a_model_is_asked_by(tmp_path):
    block = '[[models]]\nname = "a"\npackage = "p"\nwhen.called = ["CHEST_AI", "WRISTD"]\n'
    assert load(write(tmp_path, block + DESTINATION)).titles() == ("WRISTD", "CHEST_AI")


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
            "line 4 has a left double quo",
        ),
        (DESTINATION.replace(" = 4", "\u00a0= 4").encode(), "line 6 has a no-break space"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words_that_say_what_to_do(tmp_path, data, words):
    file = tmp_path / "settings.toml"
    file.write_bytes(data)
    with pytest.raises(Misconfigured, match=words):
        load(file)
