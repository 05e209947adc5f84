from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from export import onnx as export_onnx
from export.options import Options
from export.trace import export_checkpoint
from model import checkpoint
from model.networks.registry import build_network
from model.package import golden_input, load_package
from model.tolerances import LIMITS
from tests.unit.export.conftest import DECISION, SIZE, checkpoint_of

pytestmark = pytest.mark.long


@pytest.fixture
def stored(network, tmp_path) -> Path:
    path = tmp_path / "checkpoint.pt"
    metrics = {"auroc": [0.9, 0.8, 0.95], "films": 3, "gate": {"hands_accepted": 1.0}}
    decision = DECISION | {"gate_threshold": 0.4}
    checkpoint.save(checkpoint_of(network, metrics=metrics, decision=decision), path)
    return path


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> Path:
    """Return the checkpoint of the network that is traced soonest."""
    torch.manual_seed(1)
    fields = {"kind": "seresnet", "backbone": "test_resnet", "size": 64}
    network = build_network(fields | {"classes": ["no_finding", "fracture"]})
    path = tmp_path_factory.mktemp("quick") / "checkpoint.pt"
    checkpoint.save(checkpoint_of(network), path)
    return path


@pytest.fixture
def template(tmp_path) -> Path:
    path = tmp_path / "card.md"
    path.write_text("$name: $auroc, $films films, $gate_hands_accepted, $decision_temperature\n")
    return path


@pytest.fixture
def plain(tmp_path) -> Path:
    path = tmp_path / "plain.md"
    path.write_text("$name looks at $cam_layer\n")
    return path


def run(source: Path, out: Path, template: Path, *words: str) -> int:
    return export_onnx.main([str(source), "--out", str(out), "--card", str(template), *words])


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
    assert run(stored, tmp_path / "package", template) == 0
    manifest = load_package(tmp_path / "package").manifest
    assert manifest.findings[0].high_specificity == 0.7
    assert manifest.training["commit"] == "uncommitted"
    names = ("logits", "probabilities", "gate", "cam", "cam_oracle")
    assert {*names, *(f"tied_{name}" for name in names)} == manifest.parity.keys()
    assert manifest.parity_report.reference.startswith("PyTorch")
    (seen,) = manifest.maps
    assert (seen.output, seen.layer, seen.rows, seen.per_finding) == ("cam", "level2", 8, False)
    session = onnxruntime.InferenceSession(
        tmp_path / "package" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    answer = session.run(["logits"], {"image": golden_input(SIZE), "target": np.array([-1])})[0]
    assert np.allclose(answer[0], manifest.golden.logits, atol=manifest.golden.tolerance)
    card = (tmp_path / "package" / "CARD.md").read_text()
    assert card == "tiny: 0.900 (95 % CI 0.800 to 0.950), 3 films, 1.000, 1.500\n"


def test_several_layers_every_finding_and_a_fixed_batch_come_as_they_were_asked_for(
    quick, plain, tmp_path
):
    words = ["--cam-layer", "layer4", "layer3", "--every-finding", "--batch", "2"]
    words += ["--cam", "layercam", "--external-data"]
    assert run(quick, tmp_path / "package", plain, *words) == 0
    package = load_package(tmp_path / "package")
    shown = [(m.output, m.layer, m.rows, m.per_finding, m.method) for m in package.manifest.maps]
    assert shown == [
        ("cam", "layer4", 2, False, "layercam"),
        ("cam_2", "layer3", 4, False, "layercam"),
        ("finding_cams", "layer4", 2, True, "layercam"),
    ]
    assert (package.manifest.network, package.manifest.gate) == ("seresnet", None)
    assert package.manifest.batch == 2
    session = onnxruntime.InferenceSession(package.graph, providers=["CPUExecutionProvider"])
    feed = {"image": np.repeat(golden_input(SIZE), 2, axis=0), "target": np.array([1, 1])}
    cam, second, each = session.run(["cam", "cam_2", "finding_cams"], feed)
    assert second.shape == (2, 4, 4)
    assert np.allclose(each[:, 0], cam, atol=1e-7)
    (name,) = package.manifest.external_data
    (package.folder / name).unlink()
    with pytest.raises(Exception, match=f"No such file or directory: .*{name}"):
        load_package(package.folder)


def test_graph_that_differs_is_not_exported(quick, plain, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(LIMITS["fp32"], "logits", -1.0)
    assert run(quick, tmp_path / "package", plain) == 1
    *steps, line = capsys.readouterr().err.splitlines()
    assert "not exported: logits differs by" in line
    assert "(the graph's logits against the reference's, on drawn pictures)" in line
    assert "the reference is PyTorch" in line
    assert not any(step.startswith("writing") for step in steps)
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cam-layer", "level9"], "no layer 'level9' to look at; there are level1"),
        (["--cam-layer", "pyramid.levels"], "must be used exactly once"),
        (["--batch", "many"], "--batch many: give a number of images, or dynamic"),
        (["--precision", "int8"], "--precision int8 needs --films"),
        (["--films", "nowhere.csv"], "nowhere.csv: No such file"),
        (["--where", "hand_only"], "hand_only: give NAME=VALUE"),
    ],
)
def test_wrong_option_is_one_line_and_nothing_is_written(
    stored, template, tmp_path, capsys, words, said
):
    assert run(stored, tmp_path / "package", template, *words) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.md", "checkpoint.pt"]


def test_checkpoint_of_another_class_count_is_one_line(network, template, tmp_path, capsys):
    classes = ["no_finding", "metal", "fracture"]
    fields = network.config.model_dump(mode="json") | {"classes": classes}
    checkpoint.save(checkpoint_of(network, network=fields), tmp_path / "other.pt")
    assert run(tmp_path / "other.pt", tmp_path / "package", template) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "weights do not fit" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.md", "other.pt"]


def test_truncated_checkpoint_is_one_line(stored, template, tmp_path, capsys):
    stored.write_bytes(stored.read_bytes()[:1000])
    assert run(stored, tmp_path / "package", template) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_card_that_asks_for_an_unknown_figure_is_one_line_at_once(stored, tmp_path, capsys):
    template = tmp_path / "wrong.md"
    template.write_text("$name $accuracy_on_the_moon")
    assert run(stored, tmp_path / "package", template) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing is known of $accuracy_on_the_moon; known places: auroc, cam_layer, " in line


def test_without_a_template_a_checkpoint_without_figures_has_a_card(quick, tmp_path, capsys):
    out = tmp_path / "package"
    assert export_onnx.main([str(quick), "--out", str(out)]) == 0
    card = (out / "CARD.md").read_text()
    assert card.startswith("# tiny 1\n")
    assert "Figures: not measured." in card
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{out}: ")
    begun = [line.partition(" with ")[0] for line in captured.err.splitlines()]
    assert begun == [
        "tracing the network and its gradient",
        "asking the graph about 6 drawn pictures",
        "comparing 6 drawn pictures",
        "comparing the maps of 6 drawn pictures",
        "asking the graph about 5 adversarial pictures",
        "comparing 5 adversarial pictures",
        "comparing the maps of 5 adversarial pictures",
        f"writing {out}",
    ]


def test_quiet_says_only_where_the_package_is(quick, plain, tmp_path, capsys):
    assert run(quick, tmp_path / "package", plain, "--quiet") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert len(captured.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"decision": {"temperature": 1.0}}, "no finding has operating points"),
        ({"decision": DECISION | {"high_sensitivity": 0.9}}, "must not exceed high_specificity"),
        ({"recipe": {"name": "tiny", "version": "1"}}, "'package' is missing"),
    ],
    ids=["no points", "points in the wrong order", "no package section"],
)
def test_checkpoint_that_lacks_what_a_package_needs_is_one_line(
    network, tmp_path, capsys, changes, said
):
    checkpoint.save(checkpoint_of(network, **changes), tmp_path / "poor.pt")
    assert export_onnx.main([str(tmp_path / "poor.pt"), "--out", str(tmp_path / "package")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert "pydantic" not in line
    assert not (tmp_path / "package").exists()


def test_one_class_needs_sigmoid(tmp_path):
    fields = {"kind": "seresnet", "backbone": "test_resnet", "size": 64, "classes": ["fracture"]}
    stored = checkpoint_of(build_network(fields))
    with pytest.raises(ValueError, match=r"one class with softmax scores 1 on every film"):
        export_checkpoint(stored, tmp_path / "package", None, Options())
