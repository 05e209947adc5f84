"""The model package on disk."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.landmarks import LandmarkManifest
from model.package import (
    GRAPH_FILE,
    MANIFEST_FILE,
    FindingSpec,
    Golden,
    Manifest,
    PackageError,
    golden_input,
    hash_file,
    load_package,
    probabilities,
    write_package,
)
from model.pixels import CONTRACT_VERSION, PixelProfile
from model.verified import read_verified, write_verified


@pytest.fixture
def graph(tmp_path):
    file = tmp_path / "made.onnx"
    file.write_bytes(b"a graph")
    return file


def manifest(graph, **changes):
    values = {
        "name": "wrist-test",
        "version": "1",
        "graph_sha256": hash_file(graph),
        "pixel_contract": CONTRACT_VERSION,
        "pixels": PixelProfile(size=64),
        "activation": "softmax",
        "classes": ("no_finding", "fracture"),
        "findings": (
            FindingSpec(name="fracture", class_index=1, high_sensitivity=0.3, high_specificity=0.7),
        ),
        "temperature": 2.0,
        "calibration": "none",
        "cam_layer": "last",
        "golden": Golden(logits=(0.0, 1.0)),
        "body_parts": ("WRIST",),
        "training": {"commit": "abc"},
        "parity": {"logits": 0.0, "cam": 0.0},
    }
    return Manifest(**(values | changes))


def test_a_written_package_is_read_back(tmp_path, graph):
    written = write_package(tmp_path / "package", graph, manifest(graph), "# Card\n")
    read = load_package(tmp_path / "package")
    assert read.manifest == written.manifest
    assert read.digest == written.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.onnx", "package"]


def test_an_older_package_is_replaced_whole(tmp_path, graph):
    write_package(tmp_path / "package", graph, manifest(graph), "old")
    (tmp_path / "package" / "stray").touch()
    write_package(tmp_path / "package", graph, manifest(graph, version="2"), "new")
    assert load_package(tmp_path / "package").manifest.version == "2"
    assert not (tmp_path / "package" / "stray").exists()


def test_one_changed_bit_of_the_graph_is_refused(tmp_path, graph):
    write_package(tmp_path / "package", graph, manifest(graph), "")
    file = tmp_path / "package" / GRAPH_FILE
    file.write_bytes(b"b graph")
    with pytest.raises(PackageError, match="sha256"):
        load_package(tmp_path / "package")


def test_another_pixel_contract_is_refused(tmp_path, graph):
    other = manifest(graph, pixel_contract=CONTRACT_VERSION + 1)
    with pytest.raises(PackageError, match="pixel contract"):
        write_package(tmp_path / "package", graph, other, "")
    assert not (tmp_path / "package").exists()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(PackageError, match="No such file"):
        load_package(tmp_path / "nowhere")


def test_an_unknown_key_in_the_manifest_is_named(tmp_path, graph):
    write_package(tmp_path / "package", graph, manifest(graph), "")
    file = tmp_path / "package" / MANIFEST_FILE
    content = json.loads(file.read_text()) | {"threshold": 0.5}
    file.write_text(json.dumps(content))
    with pytest.raises(PackageError, match="threshold"):
        load_package(tmp_path / "package")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ("no_finding", "metal")}, "not named 'fracture'"),
        ({"classes": ("fracture",)}, "no class 1"),
        ({"golden": Golden(logits=(0.0,))}, "one value for each class"),
        ({"classes": ("gout", "fracture")}, "not in model.findings"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(graph, changes, words):
    with pytest.raises(ValueError, match=words):
        manifest(graph, **changes)


def test_operating_points_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="must not exceed"):
        FindingSpec(name="fracture", class_index=1, high_sensitivity=0.7, high_specificity=0.3)


def test_the_temperature_softens_the_probabilities(graph):
    logits = np.array([[0.0, 2.0]], np.float32)
    soft = probabilities(logits, manifest(graph))
    assert soft[0, 1] == pytest.approx(1 / (1 + np.exp(-1.0)))
    sigmoid = probabilities(logits, manifest(graph, activation="sigmoid"))
    assert sigmoid[0].tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-1.0))])


def test_the_golden_input_never_changes():
    image = golden_input(32)
    assert image.shape == (1, 3, 32, 32)
    assert image.dtype == np.float32
    assert float(image.sum()) == pytest.approx(231.680, abs=0.01)


@pytest.mark.parametrize(
    ("parity", "words"),
    [
        ({}, "no parity results"),
        ({"logits": 0.0}, "no parity results"),
        ({"logits": 0.5, "cam": 0.0}, r"logits differs by 5\.00e-01"),
        ({"logits": 0.0, "cam": float("nan")}, "cam differs by nan"),
        ({"logits": 0.0, "cam": 0.0, "mood": 0.0}, "mood is not known"),
    ],
)
def test_a_package_without_parity_within_its_limits_is_refused(tmp_path, graph, parity, words):
    with pytest.raises(PackageError, match=words):
        write_package(tmp_path / "package", graph, manifest(graph, parity=parity), "")
    assert [path.name for path in tmp_path.iterdir()] == ["made.onnx"]


def test_limits_are_those_of_the_precision(tmp_path, graph):
    coarse = manifest(graph, precision="int8", parity={"logits": 0.3, "cam": 0.1})
    assert write_package(tmp_path / "package", graph, coarse, "").manifest.precision == "int8"


def test_one_bit_of_the_manifests_digest_is_refused(tmp_path, graph):
    write_package(tmp_path / "package", graph, manifest(graph), "")
    file = tmp_path / "package" / MANIFEST_FILE
    content = json.loads(file.read_text())
    digest = content["graph_sha256"]
    content["graph_sha256"] = f"{int(digest, 16) ^ 1:064x}"
    file.write_text(json.dumps(content))
    with pytest.raises(PackageError, match="does not match the manifest's sha256"):
        load_package(tmp_path / "package")


@pytest.mark.parametrize("byte", [0, 3, 6])
def test_one_bit_of_the_graph_is_refused(tmp_path, graph, byte):
    write_package(tmp_path / "package", graph, manifest(graph), "")
    file = tmp_path / "package" / GRAPH_FILE
    whole = bytearray(file.read_bytes())
    whole[byte] ^= 1
    file.write_bytes(whole)
    with pytest.raises(PackageError, match="sha256"):
        load_package(tmp_path / "package")


def test_a_truncated_graph_is_refused(tmp_path, graph):
    write_package(tmp_path / "package", graph, manifest(graph), "")
    file = tmp_path / "package" / GRAPH_FILE
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(PackageError, match="sha256"):
        load_package(tmp_path / "package")


def test_external_data_is_copied_verified_and_missed(tmp_path, graph):
    weights = graph.with_name("made.onnx.data")
    weights.write_bytes(b"weights")
    described = manifest(graph, external_data={weights.name: hash_file(weights)})
    folder = write_package(tmp_path / "package", graph, described, "").folder
    (folder / weights.name).write_bytes(b"weightz")
    with pytest.raises(PackageError, match=r"made\.onnx\.data does not match"):
        load_package(folder)
    (folder / weights.name).unlink()
    with pytest.raises(PackageError, match=r"No such file or directory: .*made\.onnx\.data"):
        load_package(folder)


def test_a_package_that_cannot_be_written_whole_leaves_the_old_one_and_nothing_beside(
    tmp_path, graph
):
    old = write_package(tmp_path / "package", graph, manifest(graph), "old")
    missing = manifest(graph, version="2", external_data={"made.onnx.data": "0" * 64})
    with pytest.raises(FileNotFoundError):
        write_package(tmp_path / "package", graph, missing, "new")
    assert load_package(tmp_path / "package").digest == old.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.onnx", "package"]


@pytest.mark.parametrize("name", ["../made.onnx", "/etc/passwd", ".hidden"])
def test_external_data_lies_in_the_package(graph, name):
    with pytest.raises(ValueError, match="pattern"):
        manifest(graph, external_data={name: "0" * 64})


def test_a_localiser_is_no_package_for_the_daemon(tmp_path, graph):
    fields = manifest(graph).model_dump(
        include={"name", "version", "graph_sha256", "pixel_contract", "pixels", "training"}
    )
    localiser = LandmarkManifest(
        **fields, landmarks=("wrist_centre",), golden=((0.5, 0.5),), parity={"landmarks": 0.0}
    )
    write_verified(tmp_path / "package", graph, localiser, "")
    with pytest.raises(PackageError, match="kind: Input should be 'findings'"):
        load_package(tmp_path / "package")
    assert read_verified(tmp_path / "package", LandmarkManifest)[0] == localiser


def test_the_shipped_package_is_accepted_as_it_is():
    folder = Path(__file__).parents[3] / "model" / "packages" / "wrist-demo"
    read = load_package(folder).manifest
    assert (read.precision, read.batch, read.maps, read.kind) == ("fp32", None, (), "findings")
