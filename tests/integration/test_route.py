"""`wristd route`: which models would be asked of files, and what keeps the others from it."""

import subprocess
import sys

import pytest

from tests.support.node import fast_settings, model_block, settings_text
from tests.support.objects import Exam, Patient, dx, save
from tests.support.phantoms import wrist

MODELS = [
    model_block(name="chest", when={"body_parts": ["CHEST"]}),
    model_block(name="quality", also=True, when={"calling": ["ROOM1"]}),
    model_block(when={"body_parts": ["WRIST"]}),
    model_block(name="rest"),
]


@pytest.fixture
def site(tmp_path):
    class Peer:
        ae_title, port = "PACS", 104

    file = tmp_path / "settings.toml"
    file.write_text(settings_text(fast_settings({"models": MODELS}), [Peer()]))
    return tmp_path


def route(site, *words):
    command = [sys.executable, "-m", "daemon", "route", *map(str, words)]
    config = ["--config", str(site / "settings.toml")]
    return subprocess.run([*command, *config], capture_output=True, text=True, check=False)


def test_the_rule_that_decides_is_named_and_what_keeps_the_others_from_it(site):
    film = dx(wrist(spacing_mm=1.0), exam=Exam(Patient("SECRET^NAME", "SECRET")))
    file = save(film, site / "film.dcm")
    done = route(site, file, "--calling", "ROOM1")
    assert done.returncode == 0, done.stderr
    assert [line.strip() for line in done.stdout.splitlines()] == [
        f"{file}: quality, wrist",
        "chest: not asked: body part",
        "quality: asked besides",
        "wrist: asked: the first that matches",
        "rest: not asked: an earlier model reads this image, and this one does not say also",
    ]
    assert "SECRET" not in done.stdout + done.stderr


def test_a_file_that_is_not_dicom_is_told_apart_from_one_without_a_model(site):
    file = site / "garbage.dcm"
    file.write_bytes(b"garbage")
    done = route(site, file)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{file}: states nothing: is it a DICOM file?\n"


def test_settings_of_before_are_refused_with_the_new_key(site):
    (site / "settings.toml").write_text(
        '[reading]\npackage = "p"\n[report]\noperating_points = []\n'
    )
    done = route(site, site / "settings.toml")
    assert done.returncode == 78
    assert "reading.package: is now package of a [[models]] block" in done.stderr
    assert "report.operating_points: is now operating_points of a [[models]] block" in done.stderr
