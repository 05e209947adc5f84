from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from export import onnx as export_onnx
from export.card import write_card
from export.graph import write_graph
from export.parity import LIMITS, ParityError, insist, measure
from model import checkpoint
from model.checkpoint import Checkpoint
from model.gradcam import GradCam
from model.networks.pim import Pim, PimConfig
from model.package import golden_input, load_package
from training.config import PackageSection

SIZE = 64
CONFIG = PimConfig(
    backbone="test_resnet",
    size=SIZE,
    width=16,
    upsampling="bilinear",
    head="average",
    classes=("no_finding", "fracture"),
)


@pytest.fixture(scope="module")
def network() -> Pim:
    torch.manual_seed(1)
    return Pim(CONFIG).eval()


@pytest.fixture(scope="module")
def graph(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graph(GradCam(network, "level2"), SIZE, path)
    return path


@pytest.fixture
def stored(network, tmp_path) -> Path:
    decision = {
        "temperature": 1.5,
        "high_sensitivity": 0.2,
        "high_specificity": 0.7,
        "gate_threshold": 0.4,
    }
    path = tmp_path / "checkpoint.pt"
    recipe = {"name": "tiny", "version": "1", "package": PackageSection().model_dump(mode="json")}
    checkpoint.save(
        Checkpoint(
            network=CONFIG.model_dump(mode="json"),
            pixels={"size": SIZE},
            weights=network.state_dict(),
            recipe=recipe,
            provenance={"commit": "uncommitted", "seed": "1"},
            decision=decision,
            metrics={"auroc": [0.9, 0.8, 0.95], "films": 3, "gate": {"hands_accepted": 1.0}},
        ),
        path,
    )
    return path


@pytest.fixture
def template(tmp_path) -> Path:
    path = tmp_path / "card.md"
    path.write_text("$name: $auroc, $films films, $gate_hands_accepted, $decision_temperature\n")
    return path


def test_graph_equals_torch_and_pytorch_grad_cam(network, graph):
    differences = measure(GradCam(network, "level2"), graph, SIZE)
    assert all(differences[name] <= limit for name, limit in LIMITS.items()), differences
    assert differences["cam_oracle"] <= 1e-4


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_graph_takes_any_batch(graph, batch):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    image = np.repeat(golden_input(SIZE), batch, axis=0)
    target = np.full(batch, -1, dtype=np.int64)
    logits, cam, gate = session.run(["logits", "cam", "gate"], {"image": image, "target": target})
    assert (logits.shape, cam.shape, gate.shape) == ((batch, 2), (batch, 8, 8), (batch,))
    assert cam.min() >= 0


def test_target_chooses_the_class_of_the_map(graph):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    image = golden_input(SIZE)
    maps = {
        target: session.run(["cam"], {"image": image, "target": np.array([target])})[0]
        for target in (-1, 0, 1)
    }
    (logits,) = session.run(["logits"], {"image": image, "target": np.array([0])})
    assert np.array_equal(maps[-1], maps[int(logits.argmax())])
    assert not np.allclose(maps[0], maps[1])


def test_package_is_whole_and_says_what_it_was_made_from(stored, template, tmp_path):
    export_onnx.export(stored, tmp_path / "package", template)
    manifest = load_package(tmp_path / "package").manifest
    assert manifest.findings[0].high_specificity == 0.7
    assert manifest.training["commit"] == "uncommitted"
    assert manifest.parity.keys() == LIMITS.keys()
    session = onnxruntime.InferenceSession(
        tmp_path / "package" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    answer = session.run(["logits"], {"image": golden_input(SIZE), "target": np.array([-1])})[0]
    assert np.allclose(answer[0], manifest.golden.logits, atol=manifest.golden.tolerance)
    card = (tmp_path / "package" / "CARD.md").read_text()
    assert card == "tiny: 0.900 (95 % CI 0.800 to 0.950), 3 films, 1.000, 1.500\n"


def test_graph_that_differs_is_not_exported(stored, template, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(LIMITS, "logits", -1.0)
    out = tmp_path / "package"
    status = export_onnx.main([str(stored), "--out", str(out), "--card", str(template)])
    assert status == 1
    assert "not exported: logits differs by" in capsys.readouterr().err
    assert not out.exists()


def test_difference_that_is_no_number_does_not_pass():
    with pytest.raises(ParityError, match="gate differs by nan"):
        insist(dict.fromkeys(LIMITS, 0.0) | {"gate": float("nan")})


def test_card_that_asks_for_an_unknown_figure_is_an_error(stored, tmp_path):
    template = tmp_path / "wrong.md"
    template.write_text("$accuracy_on_the_moon")
    with pytest.raises(KeyError, match="moon"):
        write_card(template, checkpoint.load(stored), {})
