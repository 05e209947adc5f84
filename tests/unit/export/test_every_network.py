"""Every network and every task: a package with pytorch-grad-cam's maps, for every class."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from daemon.reading.device.sessions import LandmarkSession, Session
from export.graph import write_graph
from export.options import Options
from export.parity import differences, gather, measure, of_graph, of_network, of_oracle
from export.trace import export_checkpoint
from model.gradcam import GradCam
from model.landmarks import LandmarkManifest, LandmarkPackage
from model.networks.registry import KINDS, build_network
from model.package import load_package
from model.verified import read_verified
from tests.unit.export.conftest import checkpoint_of

pytestmark = [pytest.mark.no_cover, pytest.mark.long]
"""Measuring the coverage makes tracing twice as slow; what is traced is covered by other tests."""

TWO = ("no_finding", "fracture")
CHEST = ("covid_19", "lung_opacity", "no_finding", "pneumonia")

BONES = ("fracture", "metal", "softtissue")
PIM = {
    "backbone": "test_resnet",
    "width": 16,
    "upsampling": "bilinear",
    "head": "average",
    "classes": TWO,
}

SMALL = {
    "seresnet, single label without no_finding": (
        {"kind": "seresnet", "backbone": "legacy_seresnet18", "classes": BONES[:2]},
        None,
    ),
    "resnet, single label": ({"kind": "resnet", "classes": CHEST}, None),
    "resnet, before strides and pooling": (
        {"kind": "seresnet", "backbone": "test_resnet", "classes": TWO},
        "layer1",
    ),
    "vgg": ({"kind": "vgg", "backbone": "vgg11", "classes": TWO}, None),
    "densenet": ({"kind": "densenet", "classes": TWO}, None),
    "regnet, one class": (
        {
            "kind": "regnet",
            "backbone": "regnet_x_400mf",
            "classes": ("abnormality",),
            "activation": "sigmoid",
        },
        None,
    ),
    "vit, multi label": (
        {"kind": "vit", "backbone": "test_vit", "classes": BONES, "activation": "sigmoid"},
        None,
    ),
    "classifier over timm": (
        {"kind": "classifier", "backbone": "test_efficientnet", "classes": TWO},
        None,
    ),
    "pim over resnet": (PIM, "level3"),
    "pim, multi label": ({**PIM, "classes": BONES, "activation": "sigmoid"}, None),
    "pim without pyramid and combiner": ({**PIM, "pyramid": False, "combiner": False}, None),
    "pim, pooled": ({**PIM, "head": "pooled"}, None),
}
LANDMARKS = {"kind": "hourglass", "size": 64, "width": 8, "depth": 3}

FULL = {
    "seresnet50 256": ({"kind": "seresnet", "size": 256, "classes": TWO}, None),
    "densenet121 224": ({"kind": "densenet", "size": 224, "classes": CHEST}, None),
    "resnet18 224": ({"kind": "resnet", "size": 224, "classes": CHEST}, None),
    "vgg16 224": ({"kind": "vgg", "size": 224, "classes": CHEST}, None),
    "regnetx 512": (
        {"kind": "regnet", "size": 512, "classes": ("abnormality",), "activation": "sigmoid"},
        None,
    ),
    "vit-b 224": ({"kind": "vit", "size": 224, "classes": TWO}, None),
    "pim resnet50 448": (
        {
            "backbone": "resnet50",
            "size": 448,
            "width": 512,
            "upsampling": "bilinear",
            "selects": (32, 32, 32, 32),
            "classes": TWO,
        },
        "level2",
    ),
    "pim mobilenet 384": (
        {"backbone": "mobilenetv2_100", "size": 384, "width": 256, "classes": TWO},
        "level2",
    ),
    "pim swin-t 224": (
        {
            "backbone": "swin_tiny_patch4_window7_224",
            "size": 224,
            "width": 512,
            "classes": CHEST,
        },
        "level2",
    ),
    "swin-t 224, channels last": (
        {
            "backbone": "swin_tiny_patch4_window7_224",
            "size": 224,
            "head": "pooled",
            "classes": TWO,
        },
        "backbone.layers.3.blocks",
    ),
}

RANKED = 5e-3
"""A PIM's combiner weighs tokens by rank, and near-equal ones may change theirs: `test_ranks`."""


def trained_like(fields) -> nn.Module:
    """Build with norms that have seen something: fresh ones hide what a wrong gradient would do."""
    torch.manual_seed(2)
    network = build_network(fields).eval()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def largest(fields, layer, folder, batches) -> dict[str, float]:
    network = trained_like(fields)
    cam = GradCam(network, layer or network.cam_layer)
    write_graph(cam, cam.size, folder / "model.onnx")
    random = np.random.default_rng(3)
    shape = (3, cam.size, cam.size)
    pictures = [random.standard_normal((n, *shape), np.float32) for n in batches]
    about = (len(fields["classes"]), fields.get("activation", "softmax"))
    answers = (of_network(cam), of_oracle(cam))
    return measure(of_graph(folder / "model.onnx"), answers, pictures, about)


def exported(fields, folder, options) -> Path:
    """Export a network as a checkpoint that knows its findings' operating points only."""
    network = trained_like(fields)
    points = {"high_sensitivity": 0.2, "high_specificity": 0.7}
    named = [name for name in fields.get("classes", ()) if name != "no_finding"]
    decision = {f"{name}.{point}": value for name in named for point, value in points.items()}
    stored = checkpoint_of(network, decision=decision | {"temperature": 1.0})
    export_checkpoint(stored, folder / "package", None, options)
    return folder / "package"


def test_every_kind_is_exported_below():
    tried = {fields.get("kind", "pim") for fields, _ in SMALL.values()}
    assert tried | {LANDMARKS["kind"]} == set(KINDS)


@pytest.mark.parametrize("name", SMALL)
def test_a_package_shows_the_maps_of_pytorch_grad_cam_and_is_taken_by_the_daemon(name, tmp_path):
    fields, layer = SMALL[name]
    options = Options(layers=(layer,) if layer else ())
    package = load_package(exported({"size": 64} | fields, tmp_path, options))
    found = package.manifest.parity
    assert found["cam_oracle"] <= 1e-4, found
    assert found["logits"] <= 1e-4, found
    reported = [finding.name for finding in package.manifest.findings]
    assert reported == [name for name in fields["classes"] if name != "no_finding"]
    assert Session(package, "cpu", 1).device.startswith("CPU")  # asks its golden input
    card = (package.folder / "CARD.md").read_text()
    assert "not a medical device" in card
    assert f"kind: {package.manifest.network}" in card


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_maps_at_full_size_are_those_of_pytorch_grad_cam(name, tmp_path, record_property):
    found = largest(*FULL[name], tmp_path, (1, 8))
    print(name, {key: f"{value:.1e}" for key, value in found.items()})
    record_property("differences", found)
    assert found["cam_oracle"] <= 1e-4, found
    assert found["logits"] <= (RANKED if name.startswith("pim") else 1e-4), found


def test_landmarks_of_the_graph_are_those_of_the_network(tmp_path):
    folder = exported(LANDMARKS, tmp_path, Options())
    manifest, digest = read_verified(folder, LandmarkManifest)
    LandmarkSession(LandmarkPackage(folder, manifest, digest), "cpu", 1)  # asks its golden input
    image = np.random.default_rng(0).standard_normal((3, 3, 64, 64), np.float32)
    answer = of_graph(folder / "model.onnx")(image, np.zeros(3, np.int64))
    with torch.no_grad():
        expected = trained_like(LANDMARKS)(torch.from_numpy(image))
    assert np.allclose(answer["landmarks"], expected, atol=1e-5)
    card = (folder / "CARD.md").read_text()
    assert "reports no finding" in card
    assert "* distal_radius" in card


def test_both_methods_and_all_findings_agree_with_one_class_at_a_time():
    network = trained_like(SMALL["resnet, single label"][0] | {"size": 64})
    image = [np.random.default_rng(1).standard_normal((2, 3, 64, 64), np.float32)]
    for method in ("gradcam", "layercam"):
        every = GradCam(network, ["layer4", "layer3.1"], method, findings=(0, 3))
        given = gather(of_network(every), image, [1])
        oracle = gather(of_oracle(every), image, [1])
        assert differences(given, oracle, "softmax")["cam"] <= 1e-4
        for row, finding in enumerate((0, 3)):
            alone = gather(of_network(every), image, [finding])["cam"]
            assert np.allclose(given["finding_cams"][:, row], alone, atol=1e-7)
