"""Side markers: found where they lie alone, and left as they are under every overlay."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.results.document.instance import Basis
from daemon.results.picture.annotate import annotated_copy
from daemon.results.picture.frame import plain_copy
from daemon.results.picture.heat import heat_map
from daemon.results.picture.markers import markers
from daemon.results.picture.windowing import grey_picture
from daemon.results.region import Box
from daemon.settings import ReportSettings
from model.pixels import Radiograph
from tests.support.objects import dx
from tests.support.phantoms import FILM_MM, chest, wrist
from tests.support.readings import image_reading, study_reading

LETTER_MM = {"L": (8.1, 87.1, 14.9, 98.9), "R": (84.1, 87.1, 91.5, 98.9)}
"""Left, top, right and bottom of the drawn letters, on a film of FILM_MM."""

SPACING_MM = 0.2


def found_on(film):
    return markers(grey_picture(Radiograph(values=film.astype(np.float32), inverted=False)))


@pytest.mark.long
@pytest.mark.parametrize("side", ["L", "R"])
@pytest.mark.parametrize("view", ["PA", "LAT"])
@pytest.mark.parametrize("spacing_mm", [0.1, 0.2, 1.0])
def test_the_letter_is_found_and_nothing_else(side, view, spacing_mm):
    film = wrist(view, side, fracture=True, spacing_mm=spacing_mm)
    [box] = found_on(film)
    edges = np.array([box.left, box.top, box.right, box.bottom]) * spacing_mm
    assert edges == pytest.approx(LETTER_MM[side], abs=max(2.5, 3 * spacing_mm))
    assert (edges[:2] <= LETTER_MM[side][:2]).all()
    assert (edges[2:] >= LETTER_MM[side][2:]).all()


def test_a_film_without_a_letter_has_no_marker():
    assert found_on(chest()) == []


def test_a_letter_on_bone_is_not_told_from_bone():
    film = wrist("PA", "L", spacing_mm=0.5)
    top, left = round(LETTER_MM["L"][1] / 0.5), round(LETTER_MM["L"][0] / 0.5)
    letter = film[top : top + 26, left : left + 16].copy()
    film[top : top + 26, left : left + 16] = film[10, 10]
    film[top : top + 26, 120:136] = np.maximum(letter, film[top : top + 26, 120:136])
    assert found_on(film) == []


@pytest.fixture(scope="module")
def crossed():
    """A reading whose evidence is everywhere and whose outline runs through the letter."""
    source = dx(wrist("PA", "L", spacing_mm=SPACING_MM, fracture=True))
    image = image_reading(source, 0.9, np.ones((28, 28), np.float32))
    basis = Basis.of(study_reading([image]), ReportSettings())
    through = Box(*(edge / SPACING_MM for edge in (11.0, 60.0, 80.0, 93.0)))
    regions = {(image.sop_instance_uid, "fracture"): through}
    return image, replace(basis, regions=regions)


def _on_letter(drawn):
    """Return what a picture shows where the letter is."""
    left, top, right, bottom = (round(edge / SPACING_MM) for edge in LETTER_MM["L"])
    return drawn.image_area()[top:bottom, left:right]


def _original(image):
    left, top, right, bottom = (round(edge / SPACING_MM) for edge in LETTER_MM["L"])
    return np.repeat(plain_copy(image).pixels[top:bottom, left:right, None], 3, axis=2)


def test_an_outline_leaves_the_letter_as_it_is(crossed):
    image, basis = crossed
    drawn = annotated_copy(image, "", basis)
    assert np.array_equal(_on_letter(drawn), _original(image))
    edge = drawn.image_area()[round(75.0 / SPACING_MM), : round(FILM_MM[1] / SPACING_MM)]
    assert (edge[:, 0] != edge[:, 2]).any()


def test_heat_leaves_the_letter_as_it_is(crossed):
    image, basis = crossed
    drawn = heat_map(image, image.scores[0], "", basis)
    assert np.array_equal(_on_letter(drawn), _original(image))
    assert (drawn.image_area()[..., 0] != drawn.image_area()[..., 2]).mean() > 0.8
