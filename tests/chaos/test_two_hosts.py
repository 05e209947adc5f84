"""Two daemons on one PostgreSQL, killed at any moment: nothing is lost, doubled or stuck.

Senders go to either, as behind a load balancer: a study may reach one in part and the other whole.
`WRISTD_KILLS_TWO_HOSTS` sets how often they are killed; `make soak` does it more often.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import backlog, oldest
from daemon.place import identity_of
from tests.chaos.account import evidence, is_report
from tests.chaos.conftest import Ward, hosts, moods
from tests.chaos.test_kills import points, senders, verdict
from tests.support.fakes import Deed
from tests.support.node import ROOT
from tests.support.objects import Exam, Patient, save_all, study_of
from tests.support.phantoms import wrist
from tests.support.postgres import emptied
from tests.support.tools import storescu, wait_until

KILLS = int(os.environ.get("WRISTD_KILLS_TWO_HOSTS", "40"))
SOAK_KILLS = int(os.environ.get("WRISTD_SOAK_KILLS_TWO_HOSTS", "500"))
SOAK_ROUND = 100
ALIVE_S = 1.2
"""How long at most both live between two kills,"""
POINT_WITHIN_S, SOAK_POINT_WITHIN_S = 2.0, 6.0
"""and one that is to die at a certain point."""


@pytest.fixture
def ledger_url(postgres_url):
    """An empty database."""
    return emptied(postgres_url)


def _kill_either(
    site: Ward, ports: list[int], kills: int, seed: int, point_within_s: float = POINT_WITHIN_S
) -> set[str]:
    """Kill one or both, at random or at the next crash point; return the points that were met."""
    chance, reached = random.Random(seed), set()
    for one in site.victims:
        one.start()
    assert all(one.await_ready() for one in site.victims)
    site.send(ports, senders(), seed)
    armed: dict[int, str] = {}
    while site.kills < kills:
        number = chance.randrange(2)
        one = site.victims[number]
        if chance.random() < 0.7:  # else it is killed while it starts
            one.await_ready()
        patience_s = point_within_s if armed.get(number) else ALIVE_S * chance.random()
        if one.await_death(within_s=patience_s):
            assert armed.get(number), "a daemon died by itself"
            reached.add(armed[number])
        one.kill()
        site.kills += 1
        if chance.random() < 0.2 and site.kills < kills:  # and the other at the same time
            site.victims[1 - number].kill()
            site.victims[1 - number].start()
            site.kills += 1
            armed.pop(1 - number, None)
        point = chance.choice(points()) if chance.random() < 0.5 else None
        one.start(point)
        armed[number] = point or ""
    for number, point in armed.items():
        if point:
            site.victims[number].kill()
            site.victims[number].start()
    return reached


def test_killed_at_random_two_hosts_lose_and_double_nothing(tmp_path, two_packages, ledger_url):
    began = time.monotonic()
    with hosts(tmp_path, two_packages, moods(11, 0.05), ledger_url) as (site, ports):
        reached = _kill_either(site, ports, KILLS, seed=11)
        verdict(site, f"two hosts, {len(reached)} crash points met", began)


def _wristd(site, number, *arguments, crash_at=None):
    """Run a command with the settings of one host; return its exit code and what it said."""
    settings = site.victims[number].settings
    environment = os.environ | ({"WRISTD_CRASH_AT": crash_at} if crash_at else {})
    done = subprocess.run(
        [sys.executable, "-m", "daemon", *arguments, "--config", str(settings)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
        cwd=ROOT,
    )
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr


def _place(site, number, seen_from):
    """Return what one host is told of another."""
    code, said = _wristd(site, seen_from, "status")
    assert code == 0, said
    uid = identity_of(site.states[number])
    [place] = [one for one in json.loads(said)["places"] if one["place"].endswith(uid[:6])]
    return place


def _all_settled(ledger):
    return "waiting studies" not in oldest(ledger) and set(backlog(ledger)) <= {"jobs done"}


def _four_studies(folder):
    """Draw four studies of two images; return them and all their files."""
    exams = [Exam(Patient(patient_id=f"P{number}"), study=str(number)) for number in range(4)]
    pictures = [(view, wrist("PA", spacing_mm=0.8)) for view in ("PA", "LAT")]
    files = [save_all(study_of(pictures, exam), folder / exam.study) for exam in exams]
    return exams, [file for some in files for file in some]


def _die_in_the_middle(site, port, files, ledger):
    """Let the first host receive everything, and kill it when its first result waits."""
    first, second = site.victims
    first.start()
    second.start()
    assert first.await_ready()
    assert second.await_ready()
    assert storescu(port, "WRISTD", *files)[0] == 0
    wait_until(lambda: "deliveries pending" in backlog(ledger), "a result")
    first.kill()


def test_what_a_dead_host_held_goes_on_where_its_folder_is_adopted(
    tmp_path, tiny_package, ledger_url
):
    exams, files = _four_studies(tmp_path)
    healed, ledger = threading.Event(), Ledger(ledger_url)
    refusing: Iterator[Deed] = iter(lambda: 0x0000 if healed.is_set() else 0xA700, None)
    with hosts(tmp_path / "site", tiny_package, refusing, ledger_url) as (site, ports):
        _die_in_the_middle(site, ports[0], files, ledger)
        healed.set()
        held = _place(site, 0, seen_from=1)
        assert (held["images"], held["open_deliveries"] > 0) == (len(files), True)
        adopt = ["adopt", held["place"], "--folder"]
        code, said = _wristd(site, 1, *adopt, str(site.states[1]))
        assert (code, "is the state folder of place" in said) == (1, True)
        folder = str(site.states[0])
        assert _wristd(site, 1, *adopt, folder, crash_at="adopt:files-brought")[0] == -9
        assert site.archive.kept == {}
        code, said = _wristd(site, 1, *adopt, folder)
        assert (code, "4 studies" in said, "0 files missing" in said) == (0, True, True), said
        wait_until(lambda: _all_settled(ledger), "the end of all that was held", 120)
        site.victims[0].start()
        assert site.victims[0].await_ready()
        wait_until(lambda: _all_settled(ledger), "rest", 60)
        ledger.close()
        code, said = _wristd(site, 0, *adopt, folder)
        assert (code, "knows no other place" in said) == (1, True)
    reports = [copies for copies in site.archive.kept.values() if is_report(copies[0])]
    assert {str(copies[0].StudyInstanceUID) for copies in reports} == {
        exam.study_uid for exam in exams
    }
    assert len(reports) == len(exams)
    assert all(len(copies) == 1 for copies in site.archive.kept.values())
    assert all(len(evidence(copies[0])) == 2 for copies in reports)


@pytest.mark.slow
def test_soak_of_kills_on_two_hosts(tmp_path, tiny_package, postgres_url, capsys):
    """Everything is settled and counted each round, in an empty database."""
    for done in range(0, SOAK_KILLS, SOAK_ROUND):
        began, seed = time.monotonic(), random.randrange(1 << 30)
        folder, url = tmp_path / str(done), emptied(postgres_url)
        with hosts(folder, tiny_package, moods(seed, 0.05), url) as (site, ports):
            kills = min(SOAK_ROUND, SOAK_KILLS - done)
            reached = _kill_either(site, ports, kills, seed, SOAK_POINT_WITHIN_S)
            with capsys.disabled():
                verdict(site, f"two hosts, seed {seed}, {len(reached)} points met", began)
        shutil.rmtree(folder)
