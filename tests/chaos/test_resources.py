"""Disk full, database away or locked, in the middle of a reading: that costs time only."""

import sqlite3
import subprocess
import sys

import pytest

from daemon.errors import Unavailable
from daemon.ledger.standing_alerts import standing_alerts
from tests.chaos.plant import RECOVERS_WITHIN_S, plant
from tests.chaos.test_disk import small_disk
from tests.support.postgres import binaries, postgres_server
from tests.support.tools import wait_until

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _heard(caplog):
    """What is said of a broken connection is let pass; what we say is not."""
    caplog.handler.setLevel("WARNING")


def read_as_if_nothing_had_been(running, *studies):
    for study in studies:
        running.wait_for_results(study, RECOVERS_WITHIN_S)
        state = running.state(study)
        assert (state.state, state.attempts, state.is_held) == ("done", 1, False)
    assert {len(copies) for copies in running.archive.kept.values()} == {1}
    assert standing_alerts(running.site.ledger) == []


def fill(disk):
    """Leave nothing free; what takes it is to be removed."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while stream.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return filler


def test_a_disk_that_fills_up_while_a_study_is_read_costs_only_time(tmp_path, tiny_package, caplog):
    with small_disk(tmp_path / "disk") as disk:
        node = {"node": {"state_dir": str(disk / "state")}}
        with plant(tmp_path, tiny_package, node) as running:
            with running.decoders_held():
                studies = [running.send("one"), running.send("two")]
                running.wait_for(studies[0], "running")
                filler = fill(disk)
            full = "reading waits: outbox: No space left on device"
            wait_until(lambda: full in caplog.text, "a study that waits")
            filler.unlink()
            read_as_if_nothing_had_been(running, *studies)
            assert caplog.text.count("reading waits: ") <= 3


def test_a_database_server_that_stops_and_starts_in_the_middle_costs_only_time(
    tmp_path, tiny_package, caplog
):
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgres_server() as server:
        ledger = {"ledger": {"url": server.url}}
        with plant(tmp_path, tiny_package, ledger) as running:
            with running.decoders_held():
                read, waiting = running.send("one"), running.send("two")
                running.wait_for(read, "running")
                server.stop()
            wait_until(lambda: "reading waits: ledger" in caplog.text, "a study that waits")
            wait_until(lambda: "the queue of studies waits: " in caplog.text, "a queue that waits")
            with pytest.raises(AssertionError, match="not taken"):
                running.send("three")
            with pytest.raises(Unavailable):
                running.state(read)
            server.start()
            read_as_if_nothing_had_been(running, read, waiting, running.send("three"))
            assert caplog.text.count("the queue of studies goes on") == 1


def test_a_database_that_another_process_keeps_locked_for_a_while_costs_only_time(
    tmp_path, tiny_package
):
    with plant(tmp_path, tiny_package) as running:
        file = running.site.place.ledger
        with running.decoders_held():
            studies = [running.send("one"), running.send("two")]
            running.wait_for(studies[0], "running")
            locker = subprocess.Popen(
                [sys.executable, "-c", LOCK, str(file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert locker.stdout.readline() == b"locked\n"
        with sqlite3.connect(file, timeout=3.0) as other, pytest.raises(sqlite3.Error):
            other.execute("BEGIN IMMEDIATE")
        other.close()
        locker.communicate()
        read_as_if_nothing_had_been(running, *studies)
