"""The decoding child."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from daemon.errors import Unavailable
from daemon.reading.decoding.film import NotReadable, decode
from daemon.reading.sandbox import Decoder, Decoders
from daemon.records import Reason
from daemon.settings import Reading
from tests import phantoms
from tests.objects import dx, save
from tests.stored import Pixels


@pytest.fixture
def image(tmp_path):
    picture = phantoms.wrist("PA", "R", spacing_mm=0.5)
    return save(dx(picture, pixels=Pixels(padding=4095)), tmp_path / "image.dcm")


@pytest.fixture
def decoder():
    made = Decoder(Reading(decode_timeout_s=20.0))
    yield made
    made.close()


def test_the_child_says_the_same_as_decoding_here(decoder, image):
    here, there = decode(image, 10**8).radiograph, decoder.decode(image).radiograph
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


def test_a_killed_child_costs_one_image_only(decoder, image):
    decoder.decode(image)
    decoder._child.kill()
    with pytest.raises(NotReadable, match="limits"):
        decoder.decode(image)
    assert decoder.decode(image).radiograph.values.size > 0


def test_an_image_that_takes_too_long_is_unreadable(image):
    hasty = Decoder(Reading(decode_timeout_s=0.001))
    with pytest.raises(NotReadable, match="limits"):
        hasty.decode(image)
    hasty.close()


def test_ending_the_daemon_blames_no_image(image):
    ended = Decoder(Reading())
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
