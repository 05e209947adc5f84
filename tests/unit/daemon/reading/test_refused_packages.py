"""A package or provider that cannot be used: one clear line, and exit code 78."""

import subprocess
import sys
from dataclasses import dataclass

import onnx
import pytest

from model.package import CARD_FILE, GRAPH_FILE, MANIFEST_FILE, hash_file, write_package
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.node import ROOT, model_block, settings_text

pytestmark = pytest.mark.long


@dataclass
class Peer:
    ae_title: str = "PACS"
    port: int = 4242


@pytest.fixture
def package(tmp_path):
    graph = write_graph(tmp_path / "tiny.onnx")
    return write_package(tmp_path / "package", graph, tiny_manifest(graph), "").folder


def change(package, **values):
    """Change the manifest as one who knows what he does: the digest fits again."""
    graph = package / GRAPH_FILE
    manifest = tiny_manifest(write_graph(package / "whole.onnx"))
    values = {"graph_sha256": hash_file(graph), **values}
    (package / MANIFEST_FILE).write_text(manifest.model_copy(update=values).model_dump_json())


def truncated(package):
    graph = package / GRAPH_FILE
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    change(package)


def one_bit(package):
    graph = package / GRAPH_FILE
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)


def one_bit_of_the_digest(package):
    digest = hash_file(package / GRAPH_FILE)
    change(package, graph_sha256=f"{int(digest, 16) ^ 1:064x}")


def no_external_data(package):
    """Move the weights out of the graph, and lose them."""
    model = onnx.load(package / GRAPH_FILE)
    onnx.save(
        model,
        package / GRAPH_FILE,
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
    )
    change(package, external_data={"model.onnx.data": hash_file(package / "model.onnx.data")})
    (package / "model.onnx.data").unlink()


def no_parity(package):
    change(package, parity={})


def other_contract(package):
    change(package, pixel_contract=99)


def more_classes(package):
    golden = tiny_manifest(package / GRAPH_FILE).golden
    names = ("no_finding", "fracture", "no_finding")
    change(package, classes=names, golden=golden.model_copy(update={"logits": (0.0, 0.0, 0.0)}))


def other_weights(package):
    write_graph(package / GRAPH_FILE, gain=1.01)
    change(package)


def no_graph(package):
    (package / GRAPH_FILE).unlink()
    (package / CARD_FILE).write_text("")


def run(tmp_path, package, provider="cpu"):
    file = tmp_path / "settings.toml"
    sections = {"models": [model_block(package)], "reading": {"provider": provider}}
    file.write_text(settings_text(sections, [Peer()]))
    command = [sys.executable, "-m", "daemon", "bench", "--quick", "--config", str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncated, "ONNX Runtime cannot load it"),
        (one_bit, "does not match the manifest's sha256"),
        (one_bit_of_the_digest, "does not match the manifest's sha256"),
        (no_external_data, "No such file or directory: "),
        (no_parity, "parity: no parity results; export it again"),
        (other_contract, "made for pixel contract 99"),
        (more_classes, "answered with 2 classes, the manifest names 3"),
        (other_weights, "away from its stored answer"),
        (no_graph, "No such file"),
    ],
)
def test_a_package_that_cannot_be_used_is_refused_in_one_line(tmp_path, package, damage, words):
    damage(package)
    done = run(tmp_path, package)
    assert done.returncode == 78
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_provider_with_a_typo_names_those_that_exist(tmp_path, package):
    done = run(tmp_path, package, provider="cdua")
    assert done.returncode == 78
    [line] = done.stderr.strip().splitlines()
    assert line == (
        "settings.toml: reading.provider: Input should be 'auto', 'cuda', 'tensorrt' or 'cpu'"
    )


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_this_runtime_lacks_says_what_to_install(tmp_path, package, provider):
    done = run(tmp_path, package, provider=provider)
    if done.returncode == 0:
        pytest.skip(f"this machine has {provider}")
    assert done.returncode == 78
    [line] = done.stderr.strip().splitlines()
    assert f"reading.provider is {provider}" in line
    assert 'the extra "gpu"' in line or "check the driver" in line
