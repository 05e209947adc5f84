"""Pictures against the ones that were looked at, and maps against networks that know nothing."""

import numpy as np
import pytest
from PIL import Image

from tests.support.golden_images import FOLDER, pictures

NEAR = 24
"""Palette and font rendering move a value by less than this."""

MOST_FAR = 0.004
"""Share of pixels that may differ more: the edges of letters."""


@pytest.fixture(scope="module")
def drawn():
    return pictures()


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.glob("*.png")))
def test_a_picture_looks_as_it_was_approved(drawn, name):
    approved = np.asarray(Image.open(FOLDER / name).convert("RGB")).astype(int)
    assert drawn[name].shape == approved.shape
    difference = np.abs(drawn[name].astype(int) - approved).max(axis=-1)
    assert (difference > NEAR).mean() < MOST_FAR


def test_every_picture_has_been_approved(drawn):
    assert set(drawn) == {file.name for file in FOLDER.glob("*.png")}
