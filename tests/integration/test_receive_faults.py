"""The storage SCP when objects, disk, ledger or peers are not as they ought to be."""

import contextlib
import subprocess
import threading
from dataclasses import replace

import numpy as np
import pytest
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.sop_class import Verification

from daemon.errors import Misconfigured
from daemon.ledger.ledger import Ledger
from tests.benchmarks.blast import Peer, associate_rq
from tests.support.objects import dx
from tests.support.receiving import LIMITS, PICTURE, House, LedgerAway, raw
from tests.support.tools import wait_until


@pytest.fixture
def house(tmp_path):
    with House(tmp_path / "state") as opened:
        yield opened


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"SOPInstanceUID": "1.2.3.4"}, id="another instance"),
        pytest.param({"SOPClassUID": CTImageStorage}, id="another class"),
    ],
)
def test_a_data_set_that_is_not_what_the_command_says_is_answered_a900(house, changes):
    assert house.send(raw(dx(PICTURE), **changes)) == [0xA900]
    assert house.spooled() == []


@pytest.mark.parametrize("uid", ["", "../../../x", "1" * 65])
def test_an_invalid_uid_is_answered_c000_and_the_object_set_aside(tmp_path, uid):
    with House(tmp_path) as house:
        [answer] = house.modality.send(raw(dx(PICTURE), StudyInstanceUID=uid))
        assert answer.Status == 0xC000
        assert len(answer.ErrorComment) <= 64
        assert house.spooled() == []
        assert len(house.quarantined()) == 1
    assert house.counters == {"refused_cannot_understand": 1}


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_path_as_uid_in_command_and_data_set_leaves_no_file(house):
    path = "../../../etc/x"
    assert house.send(raw(dx(PICTURE), SOPInstanceUID=path, sop_instance_uid=path)) == [0xC000]
    assert house.spooled() == []


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_a_truncated_data_set_is_answered_c000(house, keep):
    whole = raw(dx(PICTURE))
    end = int(len(whole.data_set) * keep) if isinstance(keep, float) else keep
    assert house.send(replace(whole, data_set=whole.data_set[:end] or b"\0")) == [0xC000]
    assert house.spooled() == []


def test_noise_is_answered_c000_and_kept_in_quarantine_once(house):
    noise = replace(raw(dx(PICTURE)), data_set=bytes(range(256)) * 9)
    assert house.send(noise, noise) == [0xC000, 0xC000]
    [file] = house.quarantined()
    assert noise.data_set in file.read_bytes()


def test_an_object_larger_than_the_limit_is_answered_a700(tmp_path):
    with House(tmp_path, LIMITS.model_copy(update={"max_object_bytes": 1024})) as house:
        assert house.send(dx(PICTURE)) == [0xA700]
        assert house.spooled() == []
    assert house.counters == {"refused_too_large": 1}


def test_too_little_free_space_is_answered_a700_before_anything_is_written(tmp_path):
    with House(tmp_path, LIMITS.model_copy(update={"min_free_bytes": 2**62})) as house:
        assert house.send(dx(PICTURE)) == [0xA700]
        assert house.spooled() == []
    assert house.counters == {"refused_low_disk": 1}


def test_a_full_disk_is_answered_a700_leaves_no_half_file_and_passes(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        ledger = Ledger(tmp_path / "ledger.sqlite")
        with House(small, ledger=ledger) as house:
            large = np.zeros((1024, 1024), np.uint16)
            assert house.send(dx(large), dx(PICTURE, number=2)) == [0xA700, 0x0000]
            assert len(house.spooled()) == 1
        assert house.counters == {"refused_write_failed": 1}
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_failing_ledger_is_answered_a700_and_a_resend_succeeds(tmp_path):
    ledger = LedgerAway(tmp_path / "ledger.sqlite")
    with House(tmp_path / "state", ledger=ledger) as house:
        ledger.away = True
        assert house.send(dx(PICTURE)) == [0xA700]
        ledger.away = False
        assert house.send(dx(PICTURE)) == [0x0000]
        assert len(house.spooled()) == len(ledger.files()) == 1
    assert house.counters == {"refused_ledger": 1}


def test_start_adopts_whole_files_and_discards_half_ones(tmp_path):
    ledger = LedgerAway(tmp_path / "ledger.sqlite")
    with House(tmp_path / "state", ledger=ledger) as house:
        ledger.away = True
        assert house.send(dx(PICTURE)) == [0xA700]
        [orphan] = house.spooled()
    (orphan.parent / "tmp123.part").write_bytes(b"half")
    (orphan.parent / "stray.dcm").write_bytes(b"not ours")
    with House(tmp_path / "state", ledger=Ledger(tmp_path / "ledger.sqlite")) as house:
        assert house.spooled() == [orphan]
        assert len(house.quarantined()) == 1
        assert house.ledger.files() == {orphan.relative_to(house.place.spool).as_posix()}
        assert house.send(dx(PICTURE)) == [0x0000]
    assert house.counters["duplicate"] == 1


def test_stop_ends_idle_associations_at_once(tmp_path):
    with House(tmp_path) as house:
        association = house.modality.associate([build_context(Verification)])
        stopper = threading.Thread(target=house.receiver.stop)
        stopper.start()
        stopper.join(timeout=30)
        assert not stopper.is_alive()
    association.abort()


@pytest.mark.parametrize("is_associated", [False, True])
def test_stop_is_not_held_up_by_a_peer_that_sent_half_a_message(tmp_path, is_associated):
    with House(tmp_path) as house:
        peer = Peer(house.receiver.port)
        if is_associated:
            contexts = {(str(Verification), str(ImplicitVRLittleEndian)): 1}
            peer.associate(associate_rq("WRISTD", contexts, "MODALITY"))
            wait_until(lambda: associations() > 0, "the connection is served")
        peer.send(b"\1\0\0")
        stopper = threading.Thread(target=house.receiver.stop)
        stopper.start()
        stopper.join(timeout=30)
        assert not stopper.is_alive()
        wait_until(lambda: associations() == 0, "its threads have ended")
        peer.socket.settimeout(5.0)
        with contextlib.suppress(ConnectionError):
            assert peer.socket.recv(1 << 16) == b""
        peer.socket.close()


def associations():
    return sum(thread.name == "association" for thread in threading.enumerate())


def test_stop_lets_the_request_in_hand_finish(tmp_path):
    ledger = LedgerAway(tmp_path / "ledger.sqlite")
    with House(tmp_path / "state", ledger=ledger) as house:
        ledger.hold.clear()
        answers = []
        sender = threading.Thread(target=lambda: answers.extend(house.send(dx(PICTURE))))
        sender.start()
        assert ledger.asked.wait(60)
        stopper = threading.Thread(target=house.receiver.stop)
        stopper.start()
        ledger.hold.set()
        sender.join(60)
        stopper.join(60)
        assert answers == [0x0000]
        assert len(ledger.files()) == 1


def test_a_port_in_use_is_a_misconfiguration(house, tmp_path):
    taken = LIMITS.model_copy(update={"port": house.receiver.port})
    second = House(tmp_path / "second", taken)
    with pytest.raises(Misconfigured, match="cannot listen"):
        second.receiver.start()
    second.receiver.stop()
    second.ledger.close()
