"""The decoding child."""

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from daemon.dicom.header import Header
from daemon.errors import Unavailable
from daemon.reading import sandbox
from daemon.reading.refused import NotReadable
from daemon.reading.sandbox import DecoderProcess, Decoders
from daemon.records import Reason
from daemon.settings import Reading
from tests.support import phantoms
from tests.support.objects import dx, save
from tests.support.opening import decode_here
from tests.support.stored import Pixels


@pytest.fixture
def image(tmp_path):
    picture = phantoms.wrist("PA", "R", spacing_mm=0.5)
    return save(dx(picture, pixels=Pixels(padding=4095)), tmp_path / "image.dcm")


@pytest.fixture
def decoder():
    made = DecoderProcess(Reading(decode_timeout_s=20.0))
    yield made
    made.close()


def test_the_child_says_the_same_as_decoding_here(decoder, image):
    here, there = decode_here(image).radiograph, decoder.decode(image).radiograph
    assert np.array_equal(here.values, there.values)
    assert np.array_equal(here.padding, there.padding)
    assert (here.inverted, here.spacing_mm, here.view) == (
        there.inverted,
        there.spacing_mm,
        there.view,
    )


def test_the_reason_of_a_refusal_comes_back(decoder, tmp_path):
    file = tmp_path / "x.dcm"
    file.write_bytes(b"nothing")
    with pytest.raises(NotReadable) as caught:
        decoder.decode(file)
    assert caught.value.reason is Reason.UNREADABLE


def kill_while_it_works(decoder, times):
    """Kill the child as soon as it has the request, so often."""
    started = decoder._start

    def start():
        child = started()
        if times:
            times.pop()
            child.kill()
        return child

    decoder._start = start
    return decoder


def test_a_child_killed_from_outside_is_not_the_images_fault(decoder, image):
    once = kill_while_it_works(decoder, [1])
    assert once.decode(image).radiograph.values.size > 0


def test_a_child_killed_from_outside_twice_makes_the_study_wait(decoder, image):
    twice = kill_while_it_works(decoder, [1, 1])
    with pytest.raises(Unavailable, match="from outside"):
        twice.decode(image)
    assert twice.decode(image).radiograph.values.size > 0


def test_a_child_that_crashes_costs_one_image_only(decoder, image):
    decoder.decode(image)
    decoder._child.send_signal(signal.SIGSEGV)
    with pytest.raises(NotReadable, match="crashed"):
        decoder.decode(image)
    assert decoder.decode(image).radiograph.values.size > 0


def test_a_file_that_is_gone_is_a_reason(decoder, tmp_path):
    with pytest.raises(NotReadable, match="gone") as caught:
        decoder.decode(tmp_path / "gone.dcm")
    assert caught.value.reason is Reason.UNREADABLE


def test_a_header_comes_with_the_uids_that_the_ledger_knows(decoder, image):
    named = Header("1.2", "1.3.007", "1.4")
    header = decoder.describe(image, named)
    assert (header.sop_instance_uid, header.study_uid) == ("1.3.007", "1.4")
    assert (header.view, header.side, header.body_part) == ("PA", "L", "WRIST")


def test_a_header_that_is_none_says_nothing_but_its_uids(decoder, tmp_path):
    file = tmp_path / "x.dcm"
    file.write_bytes(b"nothing")
    named = Header("1.2", "1.3", "1.4")
    assert decoder.describe(file, named) == replace(named, unreadable=("data set",))


def test_an_image_that_takes_too_long_is_unreadable(image):
    hasty = DecoderProcess(Reading(decode_timeout_s=0.001))
    with pytest.raises(NotReadable, match="limits"):
        hasty.decode(image)
    hasty.close()


def test_a_machine_that_stands_still_blames_no_header(decoder, image, monkeypatch):
    monkeypatch.setattr(sandbox, "_HEADER_CPU_S", 0.0)
    monkeypatch.setattr(sandbox, "_HEADER_WITHIN_S", 0.001)
    with pytest.raises(Unavailable, match="too slow"):
        decoder.describe(image, Header("1.2", "1.3", "1.4"))


def test_a_header_that_takes_too_much_cpu_time_says_nothing(decoder, image):
    named = Header("1.2", "1.3", "1.4")
    decoder.describe(image, named)
    decoder._child.send_signal(signal.SIGXCPU)
    assert decoder.describe(image, named) == replace(named, unreadable=("data set",))


def test_ending_the_daemon_blames_no_image(image):
    ended = DecoderProcess(Reading())
    ended.decode(image)
    ended.close()
    with pytest.raises(Unavailable, match="ended"):
        ended.decode(image)


def test_several_children_decode_at_once(image):
    decoders = Decoders(Reading(), 2)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(decoders.decode, [image, image])
    decoders.close()
    assert np.array_equal(first.radiograph.values, second.radiograph.values)
