"""Refused objects are kept within a bound; what may have been acknowledged is kept without one."""

import os

import pytest

from daemon.intake.store.quarantine import ACKNOWLEDGED, Quarantine
from daemon.intake.store.spool import Spool, digest_of
from daemon.ledger.standing_alerts import standing_alerts
from daemon.signals import Signal
from tests.support.objects import dx
from tests.support.receiving import LIMITS, PICTURE, House, raw

BLOCK = 4096


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "spool").mkdir()
    (tmp_path / "quarantine").mkdir()
    return tmp_path


def refuse(folder, quarantine, *numbers, size=BLOCK):
    """Offer refused objects one after the other, as a hostile peer would."""
    spool = Spool(folder / "spool")
    for number in numbers:
        part = spool.begin()
        part.write(number.to_bytes(4, "big") * (size // 4))
        quarantine.keep(part, f"{number:064}")
        part.discard()
    spool.close()


def taken(folder):
    return sum(file.stat().st_size for file in (folder / "quarantine").glob("*.dcm"))


def names(folder):
    return sorted(int(file.stem) for file in (folder / "quarantine").glob("*.dcm"))


def test_a_peer_cannot_fill_the_disk_with_what_is_refused(folder):
    quarantine = Quarantine(folder / "quarantine", 64 * BLOCK)
    most = 0
    for number in range(300):
        refuse(folder, quarantine, number)
        most = max(most, taken(folder))
    assert 48 * BLOCK <= most <= 64 * BLOCK
    assert names(folder)[-1] == 299
    assert list((folder / "spool").iterdir()) == []


def test_many_small_objects_are_bounded_by_what_they_take_on_the_disk(folder):
    quarantine = Quarantine(folder / "quarantine", 64 * BLOCK)
    refuse(folder, quarantine, *range(300), size=4)
    assert len(names(folder)) <= 64


def test_an_object_larger_than_its_share_is_not_kept(folder, caplog):
    quarantine = Quarantine(folder / "quarantine", 64 * BLOCK)
    refuse(folder, quarantine, 1, size=9 * BLOCK)
    assert names(folder) == []
    assert "larger than the quarantine keeps" in caplog.text


def test_nothing_is_kept_where_the_settings_want_none(folder):
    refuse(folder, Quarantine(folder / "quarantine", 0), 1)
    assert names(folder) == []


def test_old_objects_go_and_then_the_oldest_until_the_bound_is_kept(folder):
    quarantine = Quarantine(folder / "quarantine", 64 * BLOCK)
    refuse(folder, quarantine, *range(10))
    for number in range(10):
        os.utime(folder / "quarantine" / f"{number:064}.dcm", (number, number))
    assert quarantine.purge(before=3.0) == 3
    assert names(folder) == list(range(3, 10))
    assert Quarantine(folder / "quarantine", 4 * BLOCK).purge(before=0.0) == 3
    assert names(folder) == list(range(6, 10))


@pytest.mark.long
def test_a_hostile_sender_meets_the_bound_over_the_wire(tmp_path):
    with House(tmp_path, LIMITS) as house:
        house.receiver.intake.quarantine.max_bytes = 16 * BLOCK
        noise = [raw(dx(PICTURE, number=n), data_set=bytes([n]) * 3000) for n in range(1, 60)]
        assert set(house.send(*noise)) == {0xC000}
        assert len(house.quarantined()) <= 16


def test_an_acknowledged_object_is_adopted_though_it_is_larger_than_what_is_taken_now(tmp_path):
    with House(tmp_path) as house:
        assert house.send(dx(PICTURE)) == [0x0000]
    for ledger in tmp_path.glob("ledger.sqlite*"):
        ledger.unlink()
    small = LIMITS.model_copy(update={"max_object_bytes": 1024})
    with House(tmp_path, small) as house:
        assert len(house.ledger.files()) == 1
        assert house.quarantined() == []
        assert [one.signal for one in standing_alerts(house.ledger)] == [Signal.LEDGER_WAS_NEW]


def test_what_a_start_finds_in_the_spool_and_cannot_take_is_never_purged(tmp_path):
    content = b"neither ours nor DICOM"
    with House(tmp_path) as house:
        name = f"{digest_of(content)[:32]}.dcm"
        (house.place.spool / name).write_bytes(content)
    with House(tmp_path) as house:
        [kept] = (house.place.quarantine / ACKNOWLEDGED).iterdir()
        assert Quarantine(house.place.quarantine, 0).purge(before=2.0**40) == 0
        assert kept.read_bytes() == content
