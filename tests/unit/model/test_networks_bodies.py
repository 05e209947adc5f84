"""Any body of timm or torchvision, and what training may ask of every network."""

import pytest
import torch
from torch import nn

from model.checkpoint import Checkpoint, load, save
from model.gradcam import GradCam
from model.layers import find_layer
from model.networks.hourglass import HourglassConfig
from model.networks.pim import PimConfig
from model.networks.registry import KINDS, backbone_name, build_network, configure
from model.networks.spatial import last_layer

pytestmark = pytest.mark.long

TWO = ["no_finding", "fracture"]
BODIES = {
    "resnet18": 64,
    "convnext_atto": 64,
    "regnetx_002": 64,
    "vit_tiny_patch16_224": 64,
    "mobilenetv3_small_050": 64,
    "tf_efficientnet_lite0": 64,
    "swin_tiny_patch4_window7_224": 96,
    "pvt_v2_b0": 64,
    "torchvision:resnet18": 64,
    "torchvision:densenet121": 64,
    "torchvision:mobilenet_v3_small": 64,
    "torchvision:squeezenet1_1": 64,
    "torchvision:swin_t": 64,
}
OF_A_KIND = {
    "pim": {"backbone": "test_resnet", "width": 16},
    "classifier": {"backbone": "torchvision:mobilenet_v3_small"},
    "seresnet": {},
    "resnet": {},
    "vgg": {"backbone": "vgg11"},
    "densenet": {},
    "regnet": {"backbone": "regnet_x_400mf"},
    "vit": {"backbone": "vit_tiny_patch16_224"},
}


def classifier(name, size=64):
    torch.manual_seed(5)
    return build_network({"kind": "classifier", "backbone": name, "size": size, "classes": TWO})


@pytest.mark.parametrize("name", BODIES)
def test_any_body_answers_and_its_default_layer_makes_a_map(name):
    size = BODIES[name]
    network = classifier(name, size).eval()
    images = torch.randn(2, 3, size, size)
    cam = GradCam(network, network.cam_layer)
    logits, maps = cam(images, torch.tensor([0, 1]))
    assert logits.shape == (2, 2)
    assert torch.allclose(logits, network(images), atol=1e-4)
    assert maps.shape == (2, *cam.grid)
    assert min(cam.grid) > 1
    assert not torch.equal(maps[0], maps[1])


@pytest.mark.parametrize(
    "name",
    ["convnext_atto", "vit_tiny_patch16_224", "tf_efficientnet_lite0", "torchvision:squeezenet1_1"],
)
def test_any_body_can_be_frozen_from_the_front(name):
    network = classifier(name, BODIES[name])
    stages = list(network.stages())
    assert len(stages) > 3
    stages[0].requires_grad_(False)
    network(torch.randn(2, 3, BODIES[name], BODIES[name])).sum().backward()
    assert all(one.grad is None for one in stages[0].parameters())
    assert all(one.grad is not None for one in stages[-1].parameters())
    assert all(one.grad is not None for one in network.head.parameters())


@pytest.mark.parametrize("kind", OF_A_KIND)
def test_every_kind_that_answers_offers_what_training_asks_for(kind):
    network = build_network({"kind": kind, "size": 64, "classes": TWO} | OF_A_KIND[kind]).eval()
    assert (network.config.size, network.config.classes) == (64, tuple(TWO))
    assert network.config.activation == "softmax"
    own = {id(one) for one in network.parameters()}
    backbone = {id(one) for one in network.backbone_parameters()}
    staged = {id(one) for stage in network.stages() for one in stage.parameters()}
    assert staged
    assert staged <= backbone < own
    features = network.features(torch.randn(2, 3, 64, 64))
    assert features.dim() == 2
    assert features.shape[0] == 2


def test_every_kind_is_tried_here():
    assert {*OF_A_KIND, "hourglass"} == set(KINDS)


def test_localiser_has_parts_and_no_backbone():
    network = build_network({"kind": "hourglass", "size": 64, "width": 8, "depth": 3})
    assert list(network.stages()) == [network.stem, network.hourglass, network.mixer]
    assert list(network.backbone_parameters()) == []


def test_head_reads_the_features():
    network = classifier("torchvision:mobilenet_v3_small").eval()
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(network.head(network.features(image)), network(image))


def test_features_of_a_pim_are_what_its_gate_reads():
    fields = {"kind": "pim", "size": 64, "classes": TWO} | OF_A_KIND["pim"]
    network = build_network(fields).eval()
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(network.features(image), network(image).pooled)


def test_transformers_map_before_the_attention_that_only_the_class_token_leaves():
    assert classifier("vit_tiny_patch16_224").cam_layer == "body.blocks.11.norm1"


def test_vector_without_places_has_no_layer_for_maps():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.ReLU(), nn.Linear(8, 4))
    with pytest.raises(ValueError, match="no layer with rows and columns"):
        last_layer(flat, 32)


def test_layer_that_answers_with_one_place_is_passed_over():
    shrinking = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 8, 16), nn.Flatten()
    )
    assert last_layer(shrinking, 32) == "0"


def test_looking_for_the_layer_leaves_the_random_numbers_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    last_layer(network, 32)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", ["torchvision:mobilenet_v3_small", "test_vit"])
def test_checkpoint_of_any_body_makes_the_same_network(name, tmp_path):
    network = classifier(name).eval()
    fields = network.config.model_dump(mode="json")
    save(Checkpoint(fields, {}, network.state_dict(), {}, {}), tmp_path / "a.ckpt")
    again = load(tmp_path / "a.ckpt").build()
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(again(image), network(image))
    assert again.cam_layer == network.cam_layer


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnt18", "resnet18,"), ("torchvision:resnet19", "torchvision:resnet18,")],
)
def test_unknown_body_is_refused_with_three_near_names(name, near):
    with pytest.raises(ValueError, match="nearest names are") as refused:
        classifier(name)
    assert near in str(refused.value)
    assert str(refused.value).count(",") == 2


@pytest.mark.parametrize(
    ("name", "size", "why"),
    [
        ("vit_tiny_patch16_224", 100, "patches need a multiple of 16"),
        ("swin_tiny_patch4_window7_224", 100, "windows need a multiple of 32"),
        ("torchvision:vit_b_16", 100, "indivisible by patch"),
        ("torchvision:maxvit_t", 100, "not divisible by partition size"),
        ("torchvision:alexnet", 32, "too small"),
        ("vit_base_patch32_224", 32, "no layer with rows and columns"),
    ],
)
def test_size_that_does_not_fit_is_refused_with_its_reason(name, size, why):
    with pytest.raises(ValueError, match=f"backbone {name} at {size} pixels: .*{why}"):
        classifier(name, size)


def test_classifier_without_a_name_is_refused():
    with pytest.raises(ValueError, match="backbone: name a network"):
        configure({"kind": "classifier", "size": 64, "classes": TWO})


def test_configuring_builds_nothing_and_says_which_network_it_will_be():
    fields = {"size": 64, "classes": TWO}
    names = [
        backbone_name(configure({"kind": kind} | fields | OF_A_KIND[kind]))
        for kind in ("pim", "classifier", "resnet", "vgg", "vit")
    ]
    assert names == [
        "test_resnet",
        "torchvision:mobilenet_v3_small",
        "torchvision:resnet18",
        "torchvision:vgg11",
        "vit_tiny_patch16_224",
    ]
    assert isinstance(configure({"backbone": "test_resnet"} | fields), PimConfig)
    assert isinstance(configure({"kind": "hourglass"}), HourglassConfig)


def test_default_layer_is_named_without_doubt():
    network = classifier("convnext_atto")
    assert find_layer(network, network.cam_layer) == network.cam_layer
