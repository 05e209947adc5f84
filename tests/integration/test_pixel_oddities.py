"""A film in every odd way of storing it gets the score of the plain one, from the shipped model."""

import csv

import numpy as np
import pytest

from daemon import outcome
from daemon.reading.decoding.film import decode
from daemon.reading.device.sessions import Session
from model.package import load_package, probabilities
from model.pixels import prepare
from tests.support import phantoms
from tests.support.node import PACKAGE
from tests.support.objects import save
from tests.support.oddities import ODDITIES, plain
from tests.support.wrap import grey

ALIKE = 1e-3
"""Probabilities may differ by this much."""
COARSER = {
    # Doses are rounded to integers, which is 0.6 of 4095 greys in the whitest bone: 3.0e-3 seen.
    "for processing": 5e-3,
    "for processing, falling": 5e-3,
}


class Judge:
    """The shipped model, asked of stored films."""

    def __init__(self, folder):
        self.package = load_package(PACKAGE)
        self.session = Session(self.package, "cpu", 0)
        self.file = folder / "film.dcm"

    def tensor(self, dataset):
        radiograph = decode(save(dataset, self.file), 10**8).radiograph
        return prepare(radiograph, self.package.manifest.pixels)[0]

    def chances(self, tensor):
        logits = self.session.run(tensor[None], np.array([1])).logits
        return probabilities(logits, self.package.manifest)[0]

    def categories(self, chances):
        findings = self.package.manifest.findings
        return [outcome.judge(one, float(chances[one.class_index])).category for one in findings]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return Judge(tmp_path_factory.mktemp("films"))


def drawn():
    """Give films 8 bits deep, so that tables of 8 bits lose nothing."""
    for view in ("PA", "LAT"):
        for fracture in (False, True):
            film = phantoms.wrist(view, "L", fracture=fracture, spacing_mm=0.3)
            yield f"drawn {view}", film >> 4 << 4


def real(folder):
    """Give the real wrists at 12 bits."""
    with (folder / "manifest.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            picture, pixels = grey(folder / row["file"])
            yield row["file"], picture << 4 if pixels.bits == 8 else picture >> 4


@pytest.fixture(scope="module", params=["drawn", "real"])
def films(request, judge):
    """Give each film's name, picture, network input and chances when it is stored plainly."""
    if request.param == "drawn":
        found = drawn()
    else:
        found = real(request.getfixturevalue("real_data") / "grazpedwri")
    tensors = ((name, picture, judge.tensor(plain(picture))) for name, picture in found)
    return [(*film, judge.chances(film[2])) for film in tensors]


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_odd_store_changes_no_score(films, judge, oddity):
    for name, picture, plain_tensor, expected in films:
        tensor = judge.tensor(ODDITIES[oddity](picture))
        if np.array_equal(tensor, plain_tensor):
            continue
        chances = judge.chances(tensor)
        assert chances == pytest.approx(expected, abs=COARSER.get(oddity, ALIKE)), name
        assert judge.categories(chances) == judge.categories(expected), name
