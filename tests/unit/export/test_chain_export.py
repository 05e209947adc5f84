"""Exported packages become the stages of one package, on the command line."""

import json

import pytest

from export.chain import main
from model.chain_package import load_chain
from tests.support.chains import CROP, classifier, described, localiser

BRANCHES = [{"members": ["frontal"], "localiser": "find", "crop": CROP, "least_peak": 0.25}]


@pytest.fixture
def description(tmp_path):
    localiser(tmp_path)
    classifier(tmp_path, "first")
    stages = {"find": "find", "frontal": "first"}
    file = tmp_path / "chain.json"
    file.write_text(json.dumps({**described(BRANCHES), "stages": stages}))
    return file


def test_a_description_becomes_a_package(tmp_path, description, capsys):
    assert main([str(description), "--out", str(tmp_path / "out")]) == 0
    package = load_chain(tmp_path / "out")
    assert package.digest in capsys.readouterr().out
    assert package.classifiers["frontal"].manifest.name == "first"
    assert "## Stage frontal" in (tmp_path / "out" / "CARD.md").read_text()


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stages": {"find": "find", "frontal": "gone"}}, "No such file or directory"),
        ({"stages": ["find"]}, "stages: name the folder"),
        ({"stages": {"find": "find"}}, "a stage that does not exist: frontal"),
        ({"fusion": {"views": ["PA", "LAT"], "rule": "vote"}}, "fusion.rule"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_in_one_line(
    tmp_path, description, capsys, values, words
):
    change(description, **values)
    assert main([str(description), "--out", str(tmp_path / "out")]) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_json_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "chain.json").write_text("stages: none")
    assert main([str(tmp_path / "chain.json"), "--out", str(tmp_path / "out")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
