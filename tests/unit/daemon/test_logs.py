"""Logs hold no patient data."""

import io
import json
import logging

import pytest

from daemon import logs


@pytest.fixture(autouse=True)
def root_logger_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def capture(style):
    logs.configure("INFO", style)
    stream = io.StringIO()
    logging.getLogger().handlers[0].setStream(stream)
    return stream


def test_the_text_of_an_exception_is_never_written():
    stream = capture("text")
    try:
        raise ValueError("ZZPHI^CANARY")
    except ValueError:
        logging.getLogger("daemon.x").exception("failed")
    written = stream.getvalue().replace('raise ValueError("ZZPHI^CANARY")', "")  # this very line
    assert "ZZPHI" not in written
    assert "ValueError" in stream.getvalue()


def test_json_lines_carry_the_study_key():
    stream = capture("json")
    key = logs.study_key("1.2.3")
    logging.getLogger("daemon.x").info("done %d", 3, extra={"study": key})
    entry = json.loads(stream.getvalue())
    assert entry["message"] == "done 3"
    assert entry["study"] == key
    assert "1.2.3" not in stream.getvalue()


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("forged", ["X\nINFO daemon: y", "\x1b[2J\x1b[H", "a\u2028b", "a\u202eb"])
def test_a_record_stays_one_line_whatever_it_holds(style, forged):
    stream = capture(style)
    logging.getLogger("daemon.x").warning("rejected: %s", forged, extra={"peer": forged})
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert written.rstrip("\n").isprintable()


def test_pynetdicom_quotes_its_peers_and_is_not_heard():
    stream = capture("text")
    logging.getLogger("pynetdicom.utils").error("AE title %s", "ZZPHI")
    assert stream.getvalue() == ""
