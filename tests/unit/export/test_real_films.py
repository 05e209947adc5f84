"""Parity on real radiographs: wrists of GRAZPEDWRI-DX through the gate, as export runs it.

They are there where WRISTD_TEST_DATA names their folder. The backbone over MobileNetV2 has its
ImageNet weights: what it finds in a film is what a trained network starts from.
"""

import pytest
import torch

from export.graph import write_graph
from export.parity import ParityError, of_graph, of_network, of_oracle
from export.pictures import read_films
from export.token_ranks import Follower
from export.trial import Trial
from model.gradcam import GradCam
from model.networks.pretrained import load_backbone
from model.networks.registry import build_network
from model.package import FindingSpec
from model.pixels import PixelProfile

pytestmark = pytest.mark.long

CLASSES = ("no_finding", "fracture")
FRACTURE = FindingSpec(name="fracture", class_index=1, high_sensitivity=0.2, high_specificity=0.7)
NETWORKS = {
    "pim over mobilenet 384": {
        "backbone": "mobilenetv2_100",
        "size": 384,
        "width": 128,
        "upsampling": "bilinear",
        "head": "average",
        "classes": CLASSES,
    },
    "pim over swin-t 224": {
        "backbone": "swin_tiny_patch4_window7_224",
        "size": 224,
        "width": 512,
        "classes": CLASSES,
    },
}


@pytest.fixture(scope="module")
def films(real_data):
    words = {"fractured": "fracture", "normal": ""}
    return read_films(real_data / "grazpedwri" / "manifest.csv", rename=words)


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, real_data, tmp_path_factory):
    """Return a trial and the graph that belongs to it."""
    torch.manual_seed(1)
    network = build_network(NETWORKS[request.param]).eval()
    if "mobilenet" in request.param:
        load_backbone(network.backbone, real_data / "weights" / "mobilenet_v2_imagenet1k.pt")
    cam = GradCam(network, "level2")
    graph = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graph(cam, cam.size, graph)
    follower = Follower.of(network, graph)
    led = GradCam(follower, "level2")
    trial = Trial(
        reference=follower.lead(of_network(led)),
        oracle=follower.lead(of_oracle(led)),
        against="PyTorch, pytorch-grad-cam",
        profile=PixelProfile(size=cam.size, mean=(0.5,) * 3, std=(0.5,) * 3),
        classes=2,
        activation="softmax",
        findings=(FRACTURE,),
        precision="fp32",
    )
    return trial, graph


@pytest.mark.slow
def test_the_graph_passes_on_real_wrists(made, films, record_property):
    trial, graph = made
    found, report = trial.judge(of_graph(graph), films)
    print({name: f"{value:.1e}" for name, value in found.items()})
    record_property("differences", found)
    assert report.films == len(films) == 12
    assert {"film_logits", "film_probabilities", "film_cam", "film_cam_oracle"} <= found.keys()
    (task,) = report.tasks
    assert task.change == (0.0, 0.0, 0.0)


@pytest.mark.slow
def test_a_graph_that_fails_on_real_wrists_only_is_refused(made, films):
    """Its map is another class's, but only where a film is looked at."""
    trial, graph = made
    answer = of_graph(graph)
    sizes = []

    def fooled(image, target):
        sizes.append(len(image))
        is_film = len(sizes) > 2 * 4  # both classes of four batches of drawn pictures come first
        return answer(image, 1 - target if is_film else target)

    with pytest.raises(ParityError, match=r"film_cam differs by .*film_cam_oracle differs by"):
        trial.judge(fooled, films)
