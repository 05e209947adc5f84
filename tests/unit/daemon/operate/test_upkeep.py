"""The clock work, stepped by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from daemon.errors import Unavailable
from daemon.ledger.ledger import Ledger
from daemon.ledger.queue import Queue
from daemon.operate.upkeep import Upkeep, start_clockwork
from daemon.records import Arrival
from daemon.settings import Assembly

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def upkeep_at(ledger, now):
    return Upkeep(
        ledger,
        Queue(ledger),
        Assembly(quiet_period_s=30.0),
        "recipe",
        lambda: now,
        Path("spool"),
        lambda _file, named: named,
    )


def test_a_study_is_queued_once_its_quiet_period_is_over(ledger):
    ledger.record(
        [Arrival("1.2", "1.2.1", "1.3", "1.2.840", "p", "a" * 64, "f.dcm", 1, "MOD", NOW)]
    )
    upkeep_at(ledger, NOW + timedelta(seconds=29)).assemble()
    assert len(ledger.waiting()) == 1
    upkeep_at(ledger, NOW + timedelta(seconds=30)).assemble()
    assert ledger.waiting() == []
    assert Queue(ledger).claim("w", NOW + timedelta(seconds=31), timedelta(seconds=5)) is not None


def test_assembly_says_in_how_many_seconds_the_next_study_is_due(ledger):
    assert upkeep_at(ledger, NOW).assemble() is None
    for number, seconds in enumerate((0, 10)):
        at = NOW + timedelta(seconds=seconds)
        uids = (f"1.{number}", f"1.{number}.1")
        ledger.record([Arrival(*uids, "1.3", "1.2.840", "p", "a" * 64, "f.dcm", 1, "MOD", at)])
    assert upkeep_at(ledger, NOW + timedelta(seconds=12)).assemble() == 18.0
    assert upkeep_at(ledger, NOW + timedelta(seconds=30)).assemble() == 10.0
    assert len(ledger.waiting()) == 1


def test_whoever_reads_is_told_of_each_job_that_was_queued(ledger):
    ledger.record(
        [Arrival("1.2", "1.2.1", "1.3", "1.2.840", "p", "a" * 64, "f.dcm", 1, "MOD", NOW)]
    )
    told = []
    upkeep = replace(
        upkeep_at(ledger, NOW + timedelta(seconds=30)),
        queued=lambda: told.append(len(ledger.waiting())),
    )
    upkeep.assemble()
    upkeep.assemble()
    assert told == [0]


def test_a_study_that_is_due_and_cannot_be_taken_yet_is_not_looked_at_without_a_rest(ledger):
    ledger.record(
        [Arrival("1.2", "1.2.1", "1.3", "1.2.840", "p", "a" * 64, "f.dcm", 1, "MOD", NOW)]
    )
    upkeep = replace(upkeep_at(ledger, NOW + timedelta(seconds=40)), being_sent=lambda: {"1.2"})
    assert upkeep.assemble() is None
    assert len(ledger.waiting()) == 1


def test_a_turn_that_fails_is_tried_again_at_the_next_bell():
    rung = Event()
    calls = []

    def turn():
        calls.append(1)
        if len(calls) == 1:
            raise Unavailable("not now")
        if len(calls) == 2:
            raise ZeroDivisionError
        rung.set()

    clockwork = start_clockwork({turn: 0.01})
    assert rung.wait(5)
    clockwork.shutdown()
