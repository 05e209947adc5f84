"""Objects and circumstances that are not as they ought to be, one by one."""

import os
import struct
import subprocess
import threading
import zlib
from dataclasses import replace

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from daemon.errors import Misconfigured
from daemon.identity import derived_uid
from daemon.ledger.ledger import Ledger
from tests.benchmarks.blast import Item, Peer, associate_rq, store_pdus
from tests.support.fakes import FrozenClock
from tests.support.objects import Exam, dx
from tests.support.receiving import LIMITS, PICTURE, House, raw


@pytest.fixture
def house(tmp_path):
    with House(tmp_path / "state") as opened:
        yield opened


def assert_goes_on(house):
    assert house.send(dx(PICTURE, number=99)) == [0x0000]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("uid", ["../../x", "1." * 33 + "1", "", "1.2\0.3", "1.2.3 4"])
def test_an_instance_uid_that_is_none_is_c000_and_leaves_no_path(house, uid):
    image = dx(PICTURE)
    [status] = house.send(raw(image, SOPInstanceUID=uid))
    assert status == 0xC000
    assert house.spooled() == []
    assert len(house.quarantined()) == 1
    assert_goes_on(house)


def test_file_meta_information_inside_the_data_set_is_c000(house):
    whole = raw(dx(PICTURE))
    meta = struct.pack("<HH2sHL", 2, 0, b"UL", 4, 0)
    item = Item(
        whole.sop_class_uid,
        str(whole.transfer_syntax),
        whole.sop_instance_uid,
        meta + whole.data_set,
    )
    peer = Peer(house.receiver.port)
    peer.associate(associate_rq("WRISTD", {(item.sop_class, item.syntax): 1}, "MODALITY"))
    peer.send(store_pdus(item, 1, 16384))
    assert peer.status() == 0xC000
    peer.release()
    assert len(house.quarantined()) == 1
    assert_goes_on(house)


def test_an_element_longer_than_the_data_set_is_c000(house):
    whole = raw(dx(PICTURE))
    assert house.send(replace(whole, data_set=whole.data_set[:-100])) == [0xC000]
    assert_goes_on(house)


def test_a_deflated_bomb_is_refused_and_costs_no_memory(tmp_path):
    with House(tmp_path, LIMITS.model_copy(update={"max_object_bytes": 1 << 20})) as house:
        whole = raw(dx(PICTURE))
        deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        private = struct.pack("<HH2sHL", 0x7FE1, 0x1010, b"OB", 0, 400 << 20)
        bomb = deflater.compress(whole.data_set + private + bytes(400 << 20)) + deflater.flush()
        offer = replace(whole, transfer_syntax=DeflatedExplicitVRLittleEndian, data_set=bomb)
        assert house.send(offer) == [0xA700]
        assert house.spooled() == []
        assert_goes_on(house)


def test_the_same_study_from_two_senders_at_once_is_kept_once(house):
    images = [dx(PICTURE + number, number=number) for number in range(1, 6)]
    answers = []
    senders = [
        threading.Thread(target=lambda: answers.extend(house.send(*images))) for _ in range(3)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert answers == [0x0000] * 15
    assert len(house.spooled()) == len(house.ledger.files()) == 5
    assert len(house.ledger.waiting()) == 1


def test_our_own_uid_inside_an_object_that_says_otherwise_is_a_mismatch(house):
    assert house.send(raw(dx(PICTURE), SOPInstanceUID=derived_uid("x"))) == [0xA900]


def test_a_row_that_a_power_cut_took_back_is_made_again_from_the_file(tmp_path):
    with House(tmp_path / "state") as house:
        assert house.send(dx(PICTURE), dx(PICTURE, exam=Exam(study="2"))) == [0x0000] * 2
        kept = house.spooled()
    for file in (tmp_path / "state").glob("ledger.sqlite*"):
        file.unlink()
    with House(tmp_path / "state") as house:
        assert house.spooled() == kept
        assert len(house.ledger.files()) == len(house.ledger.waiting()) == 2


def test_an_image_received_before_the_clock_was_set_back_does_not_hold_up_those_after(tmp_path):
    clock = FrozenClock()
    with House(tmp_path / "state", clock=clock) as house:
        assert house.send(dx(PICTURE)) == [0x0000]
        clock.advance(-86400)
        assert house.send(dx(PICTURE, number=2), dx(PICTURE)) == [0x0000] * 2
        [study] = house.ledger.waiting()
    assert study.last_arrival_at == clock()


def test_a_ledger_on_a_read_only_disk_is_a_misconfiguration_that_names_it(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "wristd-test", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        Ledger(disk / "ledger.sqlite").close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(Misconfigured, match=r"ledger\.sqlite: unable to open"):
            Ledger(disk / "ledger.sqlite")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_file_whose_bytes_a_power_cut_took_is_set_aside_and_a_resend_is_kept(tmp_path):
    with House(tmp_path / "state") as house:
        assert house.send(dx(PICTURE)) == [0x0000]
        [file] = house.spooled()
    for ledger in (tmp_path / "state").glob("ledger.sqlite*"):
        ledger.unlink()
    file.write_bytes(file.read_bytes()[:-1000] + bytes(1000))
    with House(tmp_path / "state", ledger=Ledger(tmp_path / "state" / "ledger.sqlite")) as house:
        assert house.ledger.files() == set()
        assert len(house.quarantined()) == 1
        assert house.send(dx(PICTURE)) == [0x0000]


def test_free_space_below_the_upper_mark_warns_once_and_takes_the_object(tmp_path, caplog):
    with House(tmp_path, LIMITS.model_copy(update={"warn_free_bytes": 2**62})) as house:
        assert house.send(dx(PICTURE), dx(PICTURE, number=2)) == [0x0000] * 2
    assert house.counters == {"low_disk_warnings": 1}
    assert caplog.text.count("make room") == 1
