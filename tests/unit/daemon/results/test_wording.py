"""The sentence that report and summary share."""

import pytest

from daemon.records import Reason
from daemon.results.wording import impression
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import image_reading, study_reading, unread


@pytest.fixture(scope="module")
def source():
    return dx(wrist("PA", spacing_mm=0.6))


def say(source, *images):
    return impression(study_reading(images))


def test_a_positive_study_names_the_finding_and_the_images(source):
    said = say(source, image_reading(source, 0.9), image_reading(source, 0.1))
    assert said == "Fracture: positive on 1 of 2 images."


def test_a_doubtful_image_beside_a_positive_one_does_not_blur_it(source):
    said = say(source, image_reading(source, 0.9), image_reading(source, 0.5))
    assert said == "Fracture: positive on 1 of 2 images."


def test_a_negative_study_says_what_was_looked_for(source):
    assert say(source, image_reading(source, 0.1)) == (
        "No sign of fracture reached an operating point."
    )


def test_images_that_were_not_analysed_are_never_silent(source):
    said = say(source, image_reading(source, 0.1), unread(source, Reason.OTHER_BODY_PART))
    assert said.endswith("1 of 2 images not analysed: not the expected body part.")


def test_a_study_that_was_not_analysed_says_why_and_nothing_else(source):
    assert say(source, unread(source, Reason.UNREADABLE)) == (
        "Not analysed: image unreadable. No statement is made about findings."
    )
