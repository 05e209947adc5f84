"""ONNX Runtime sessions that know on which device they run."""

import numpy as np
import onnxruntime as ort
import pytest

from daemon.errors import Misconfigured, Unavailable
from daemon.reading.device.providers import CPU, CUDA, confirmed, is_missed
from daemon.reading.device.sessions import PREDICTED, Session
from model.package import write_package
from tests.support.graphs import SIZE, tiny_manifest, write_graph


@pytest.fixture
def graph(tmp_path):
    return write_graph(tmp_path / "tiny.onnx")


@pytest.fixture
def package(tmp_path, graph):
    return write_package(tmp_path / "package", graph, tiny_manifest(graph), "")


def test_a_session_says_which_provider_runs(package):
    assert Session(package, "cpu", 1).provider == CPU


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this machine has CUDA")
def test_auto_without_a_device_takes_the_cpu_and_says_so(package, caplog):
    assert Session(package, "auto", 1).provider == CPU
    assert "no CUDA device in use" in caplog.text


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this machine has CUDA")
def test_cuda_without_a_device_refuses_to_start(package):
    with pytest.raises(Misconfigured, match="CUDA"):
        Session(package, "cuda", 1)


@pytest.mark.parametrize("choice", ["cuda", "tensorrt"])
def test_a_session_that_fell_back_to_the_cpu_is_refused_where_a_gpu_was_asked_for(choice):
    with pytest.raises(
        Misconfigured, match=f"is {choice}, but the session runs on CPUExec.*driver"
    ):
        confirmed(choice, CPU)
    assert confirmed("auto", CPU) == CPU


def test_a_device_that_auto_did_not_get_is_missed_only_where_cuda_is_built_in():
    assert is_missed("auto", CPU) == (CUDA in ort.get_available_providers())
    assert not is_missed("cpu", CPU)
    assert not is_missed("auto", CUDA)


def test_a_graph_that_answers_the_golden_input_otherwise_is_refused(tmp_path, graph):
    manifest = tiny_manifest(graph)
    other = write_graph(tmp_path / "other.onnx", gain=1.1)
    changed = manifest.model_copy(update={"graph_sha256": tiny_manifest(other).graph_sha256})
    package = write_package(tmp_path / "package", other, changed, "")
    with pytest.raises(Misconfigured, match="golden input"):
        Session(package, "cpu", 1)


def test_a_file_that_is_no_graph_is_refused(tmp_path, graph, package):
    package.graph.write_bytes(b"not onnx")
    with pytest.raises(Misconfigured, match="cannot load"):
        Session(package, "cpu", 1)


def test_a_batch_gives_one_row_for_each_image(package):
    output = Session(package, "cpu", 1).run(
        np.ones((3, 3, SIZE, SIZE), np.float32), np.full(3, PREDICTED)
    )
    assert output.logits.shape == (3, 2)
    assert output.cam.shape == (3, SIZE, SIZE)
    assert output.gate.tolist() == pytest.approx([1.0] * 3)


def test_an_input_of_the_wrong_size_is_unavailable_not_a_crash(package):
    with pytest.raises(Unavailable, match="inference"):
        Session(package, "cpu", 1).run(np.ones((1, 3, 5, 5), np.float32), np.array([0]))
