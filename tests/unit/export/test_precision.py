"""fp16 and int8: what is converted, what is compared, and what is refused."""

import json

import onnx
import pytest
from onnx import TensorProto

from daemon.reading.device.sessions import Session
from export import onnx as export_onnx
from model import checkpoint
from model.package import load_package
from model.tolerances import LIMITS
from tests.unit.export.conftest import checkpoint_of
from tests.unit.export.test_trial import written_films

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def whole(network, tmp_path_factory):
    """Return the fp32 package of a small PIM, with a gate."""
    folder = tmp_path_factory.mktemp("whole")
    decision = {"temperature": 1.5, "high_sensitivity": 0.2, "high_specificity": 0.7}
    stored = checkpoint_of(network, decision=decision | {"gate_threshold": 0.4})
    checkpoint.save(stored, folder / "checkpoint.pt")
    assert export_onnx.main([str(folder / "checkpoint.pt"), "--out", str(folder / "package")]) == 0
    return folder / "package"


@pytest.fixture
def films(tmp_path):
    written_films(tmp_path, 12)
    table = tmp_path / "films.csv"
    text = table.read_text()
    table.write_text(text + text.replace(",val,", ",train,").partition("\n")[2])
    return ["--films", str(table), "--rename", "fractured=fracture", "normal="]


def converted(source, out, precision, *words):
    return export_onnx.main([str(source), "--out", str(out), "--precision", precision, *words])


def weights(package, kind):
    graph = onnx.load(package.graph).graph
    return sum(tensor.data_type == kind for tensor in graph.initializer)


def test_fp16_answers_in_single_precision_within_its_limits(whole, tmp_path):
    assert converted(whole, tmp_path / "half", "fp16") == 0
    package = load_package(tmp_path / "half")
    assert package.manifest.precision == "fp16"
    names = ("logits", "probabilities", "cam", "gate")
    assert {*names, *(f"tied_{name}" for name in names)} == package.manifest.parity.keys()
    assert package.manifest.parity_report.reference.startswith("tiny 1, fp32, manifest ")
    assert weights(package, TensorProto.FLOAT16) > weights(package, TensorProto.FLOAT)
    described = onnx.load(package.graph).graph
    kinds = {value.type.tensor_type.elem_type for value in described.output}
    assert kinds == {TensorProto.FLOAT}
    assert Session(package, "cpu", 1).provider == "CPUExecutionProvider"


def test_int8_says_what_it_does_to_the_auroc_of_each_finding(whole, films, tmp_path):
    assert converted(whole, tmp_path / "small", "int8", *films) == 0
    package = load_package(tmp_path / "small")
    (task,) = package.manifest.parity_report.tasks
    assert (task.finding, task.films, task.positive) == ("fracture", 12, 6)
    change, low, high = task.change
    assert low <= change <= high
    assert change == pytest.approx(task.auroc - task.auroc_reference, abs=2e-4)  # each is rounded
    assert weights(package, TensorProto.INT8) + weights(package, TensorProto.UINT8) > 0
    Session(package, "cpu", 1)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_conversion_that_goes_too_far_is_refused_and_leaves_what_was_there(
    whole, films, tmp_path, monkeypatch, capsys, precision
):
    assert converted(whole, tmp_path / "package", "fp16") == 0
    before = (tmp_path / "package" / "manifest.json").read_bytes()
    monkeypatch.setitem(LIMITS[precision], "logits", -1.0)
    assert converted(whole, tmp_path / "package", precision, *films) == 1
    *steps, line = capsys.readouterr().err.splitlines()
    assert "logits differs by" in line
    assert "the reference is tiny 1, fp32, manifest " in line
    assert f"converting to {precision}" in steps
    assert (tmp_path / "package" / "manifest.json").read_bytes() == before
    assert not list(tmp_path.glob(".package*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--precision", "fp32"], "only the precision can be changed"),
        (["--precision", "fp16", "--every-finding"], "only the precision can be changed"),
        (["--precision", "fp16", "--cam-layer", "level1"], "only the precision can be changed"),
    ],
)
def test_a_package_can_only_change_its_precision(whole, tmp_path, capsys, words, said):
    assert export_onnx.main([str(whole), "--out", str(tmp_path / "out"), *words]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_package_keeps_its_card(whole, tmp_path, capsys):
    words = ["--precision", "fp16", "--card", "card.md"]
    assert export_onnx.main([str(whole), "--out", str(tmp_path / "out"), *words]) == 1
    assert "a package that is converted keeps its card" in capsys.readouterr().err


def test_what_is_converted_already_is_not_converted_again(whole, tmp_path, capsys):
    assert converted(whole, tmp_path / "half", "fp16") == 0
    assert converted(tmp_path / "half", tmp_path / "again", "fp16") == 1
    assert "the package is fp16 already" in capsys.readouterr().err


def test_limits_of_another_precision_do_not_serve(whole, tmp_path):
    assert converted(whole, tmp_path / "half", "fp16") == 0
    file = tmp_path / "half" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["parity"]["logits"] = 0.05
    manifest["precision"] = "fp32"
    file.write_text(json.dumps(manifest))
    with pytest.raises(Exception, match=r"logits differs by 5\.00e-02, allowed 1e-03"):
        load_package(tmp_path / "half")
