"""The daemon dies at any moment, and nothing that was promised is lost, doubled or stuck.

`WRISTD_KILLS` sets how often; continuous integration runs the default, `make soak` many more.
"""

import os
import random
import re
import shutil
import signal
import threading
import time
from collections.abc import Sequence

import pytest

from tests.chaos.conftest import Ward, moods, ward
from tests.chaos.traffic import KINDS, Send, with_dcmsend, with_pynetdicom, with_storescu
from tests.support.node import ROOT
from tests.support.tools import tool

KILLS = int(os.environ.get("WRISTD_KILLS", "100"))
SOAK_KILLS = int(os.environ.get("WRISTD_SOAK_KILLS", "10000"))
SOAK_ROUND = 200
PATIENCE_S = 1.5
EXECUTED_EVERY = 20
"""Most daemons are forked from one that has its imports done; these are started from nothing."""
ELSEWHERE = ("adopt:", "commitment:", "promise:", "purge:", "pull:")
"""Points that are not on the way of a study."""
ROUNDS = 1


def points() -> list[str]:
    """Find every point between two durable operations in the source, on the way of a study."""
    sources = sorted((ROOT / "daemon").rglob("*.py"))
    found = {
        point
        for source in sources
        for point in re.findall(r'crash_point\("([^"]+)"\)', source.read_text())
    }
    return sorted(point for point in found if not point.startswith(ELSEWHERE))


def senders() -> list[Send]:
    dcmtk = [with_storescu, with_dcmsend] if tool("dcmsend") else []
    return [with_pynetdicom, *dcmtk]


def verdict(site: Ward, title: str, began: float) -> None:
    account, stuck = site.settle()
    took = time.monotonic() - began
    released = len(site.releaser.released) if site.releaser else 0
    print(
        f"\n{title}: {site.kills} kills in {took:.0f} s, {account}, stuck {stuck}, "
        f"parked {site.parked}, released {released}"
    )
    assert account.is_clean, account
    assert account.rejected or len(site.traffic.promised) < KINDS
    assert stuck == site.unsent == 0


def _kill_at_random(site: Ward, port: int, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    pause = threading.Event()
    site.victim.start()
    assert site.victim.await_ready()
    site.send(port, senders(), seed)
    while site.kills < kills:
        _live_a_little(site, chance)
        if chance.random() < 0.1:
            site.victim.signal(signal.SIGSTOP)
            pause.wait(0.3)
            if chance.random() < 0.5:
                site.victim.signal(signal.SIGCONT)
                pause.wait(0.2)
        site.victim.kill()
        site.kills += 1
        site.victim.start(forked=site.kills % EXECUTED_EVERY != 0)
        if chance.random() < 0.9:  # else it is killed while it starts
            site.victim.await_ready()


def _live_a_little(site: Ward, chance: random.Random) -> None:
    """Wait for a promise, or for a report to arrive, mostly; then for a random while."""
    assert site.traffic is not None
    wanted = chance.choice((None, "promise", "promise", "report"))
    promised, reported = len(site.traffic.promised), len(site.archive.kept)
    pause = threading.Event()
    end = time.monotonic() + PATIENCE_S
    while wanted and time.monotonic() < end:
        if wanted == "promise" and len(site.traffic.promised) > promised:
            break
        if wanted == "report" and len(site.archive.kept) > reported:
            break
        pause.wait(0.01)
    pause.wait(chance.choice((0.01, 0.1, 0.4)) * chance.random())


def test_killed_at_random_nothing_promised_is_lost(tmp_path, tiny_package):
    began = time.monotonic()
    with ward(tmp_path, tiny_package, moods(seed=7, share=0.1)) as (site, port):
        _kill_at_random(site, port, max(0, KILLS - ROUNDS * len(points())), seed=7)
        verdict(site, "random", began)


def test_killed_at_every_step_nothing_promised_is_lost_of_either_model(tmp_path, two_packages):
    began = time.monotonic()
    with ward(tmp_path, two_packages, moods(seed=8, share=0.0)) as (site, port):
        reached = _kill_at_each(site, port, points() * ROUNDS)
        verdict(site, "at every step", began)
    assert reached == set(points())


def _kill_at_each(site: Ward, port: int, steps: Sequence[str]) -> set[str]:
    reached = set()
    site.victim.start(steps[0])
    site.send(port, senders(), seed=8)
    for point, following in zip(steps, [*steps[1:], None], strict=True):
        if site.victim.await_death(within_s=60.0):
            reached.add(point)
            site.kills += 1
        site.victim.kill()
        site.victim.start(following)
    return reached


@pytest.mark.slow
def test_soak_of_kills(tmp_path, tiny_package, capsys):
    """Everything is settled and counted each round: a run that is cut short has its figures too."""
    for done in range(0, SOAK_KILLS, SOAK_ROUND):
        began = time.monotonic()
        seed, folder = random.randrange(1 << 30), tmp_path / str(done)
        with ward(folder, tiny_package, moods(seed, share=0.1)) as (site, port):
            _kill_at_random(site, port, min(SOAK_ROUND, SOAK_KILLS - done), seed)
            with capsys.disabled():
                verdict(site, f"soak, seed {seed}, after {done} others", began)
        shutil.rmtree(folder)
