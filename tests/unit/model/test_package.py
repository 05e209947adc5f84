"""The model package on disk."""

import json

import numpy as np
import pytest

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
