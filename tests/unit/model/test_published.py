"""The network is the published one: sizes, parts that can be left out, and its own weights."""

from copy import deepcopy

import pytest
import torch

from model.networks.metadata import encode, mask
from model.networks.pim import Pim, PimConfig
from model.networks.published import adopt, load_published, our_name
from model.networks.selector import confidence, select

CLASSES = ("boneanomaly", "fracture", "metal", "softtissue")
TOTALS = {512: 10.7, 1024: 17.2, 1536: 26.6, 2048: 38.9, 3000: 69.4}
"""Millions of parameters of PIM over Swin-L for each pyramid width."""


def faithful(width: int) -> Pim:
    with torch.device("meta"):
        return Pim(
            PimConfig(
                backbone="swin_large_patch4_window12_384", size=384, width=width, classes=CLASSES
            )
        )


def small(**changes: object) -> Pim:
    torch.manual_seed(0)
    fields = {"backbone": "test_resnet", "size": 64, "width": 16, "classes": CLASSES}
    return Pim(PimConfig.model_validate({**fields, "upsampling": "bilinear", **changes}))


@pytest.mark.long
@pytest.mark.parametrize("width", TOTALS)
def test_whole_swin_l_network_has_the_published_sizes(width):
    network = faithful(width)
    assert network.counts == [2304, 576, 144, 144]
    assert network.backbone.channels == [384, 768, 1536, 1536]
    assert network.selects == (2048, 512, 128, 32)
    assert network.combiner.adjacency.shape == (85, 85)
    plugged = [network.pyramid, network.classifiers, network.combiner]
    count = sum(p.numel() for part in plugged for p in part.parameters())
    assert count / 1e6 == pytest.approx(TOTALS[width], abs=0.06)
    backbone = sum(p.numel() for p in network.backbone.parameters())
    assert backbone / 1e6 == pytest.approx(195, abs=0.5)


@pytest.mark.parametrize(
    ("backbone", "opening", "sides", "channels"),
    [
        ("resnet50", "strides", [112, 56, 28, 14], [256, 512, 1024, 2048]),
        pytest.param(
            "efficientnet_b7",
            "published",
            [28, 28, 14, 14],
            [160, 224, 384, 640],
            marks=pytest.mark.long,
        ),
        ("vit_base_patch16_224", "strides", [28] * 4, [768] * 4),
    ],
)
def test_other_published_builders_at_448(backbone, opening, sides, channels):
    with torch.device("meta"):
        network = Pim(
            PimConfig(
                backbone=backbone,
                size=448,
                opening=opening,
                width=512,
                upsampling="bilinear",
                selects=(32, 32, 32, 32),
                classes=CLASSES,
            )
        )
        output = network(torch.zeros(1, 3, 448, 448))
    assert network.grids == [(side, side) for side in sides]
    assert network.backbone.channels == channels
    assert output.logits.shape == (1, 4)


@pytest.mark.parametrize("backbone", ["test_vit", "mobilenetv2_050", "test_resnet"])
@pytest.mark.parametrize(
    "off",
    [
        ("pyramid",),
        ("selection",),
        ("combiner",),
        ("pyramid", "selection"),
        ("pyramid", "combiner"),
        ("pyramid", "selection", "combiner"),
    ],
    ids="-".join,
)
def test_network_works_without_any_of_its_parts(backbone, off):
    network = small(backbone=backbone, head="average", **dict.fromkeys(off, False))
    output = network(torch.randn(2, 3, 64, 64))
    output.logits.sum().backward()
    assert output.logits.shape == (2, 4)
    assert (output.combined is None) == ("combiner" in off)
    if "selection" in off:
        assert [kept.index.shape[1] for kept in output.selections] == network.counts


def test_pooled_head_is_the_backbone_with_one_linear_layer():
    network = small(head="pooled")
    added = {name for name in network.state_dict() if not name.startswith(("backbone", "gate"))}
    assert added == {"classify.weight", "classify.bias"}
    output = network(torch.randn(2, 3, 64, 64))
    assert torch.equal(output.logits, network.classify(output.levels[-1].mean(dim=1)))


def test_combiner_cannot_answer_when_it_is_left_out():
    with pytest.raises(ValueError, match="without a combiner"):
        small(combiner=False)


def test_more_tokens_than_there_are_cannot_be_selected():
    with pytest.raises(ValueError, match="have only"):
        small(selects=(9999, 1, 1, 1))


def test_batched_selector_equals_a_loop_over_images():
    torch.manual_seed(1)
    features, logits = torch.randn(3, 20, 5), torch.randn(3, 20, 4)
    kept = select(features, logits, 7)
    for image in range(3):
        ranks = torch.softmax(logits[image], -1).amax(-1).argsort(descending=True)[:7]
        assert kept.index[image].tolist() == ranks.tolist()
        assert torch.equal(kept.features[image], features[image][ranks])


def test_sigmoid_confidence_is_that_of_the_surest_finding():
    logits = torch.tensor([[[3.0, 3.0], [-9.0, -9.0]]])
    assert confidence(logits, "sigmoid")[0, 0] > 0.9 > 0.1 > confidence(logits, "sigmoid")[0, 1]


def test_age_and_sex_are_encoded_with_what_is_not_known():
    assert encode(10.0, "M") == [0.5, 1.0, 1.0, 1.0]
    assert encode(None, "F") == [0.0, 0.0, -1.0, 1.0]
    assert encode(float("nan"), "O") == [0.0, 0.0, 0.0, 0.0]


def test_masking_forgets_value_and_knowledge_together():
    everyone = torch.tensor([[0.5, 1, 1, 1.0]]).repeat(1000, 1)
    generator = torch.Generator().manual_seed(0)
    masked = mask(everyone, 0.3, generator)
    assert torch.equal(masked[:, 0] > 0, masked[:, 1] > 0)
    assert float((masked[:, 1] == 0).float().mean()) == pytest.approx(0.3, abs=0.05)
    assert torch.equal(mask(everyone, 0.0, generator), everyone)


def published_name(name: str) -> str:
    """Return the published name of one of ours; written apart from the mapping under test."""
    parts = name.split(".")
    if name.startswith("pyramid.project"):
        return f"fpn.Proj_layer{int(parts[2]) + 1}.{'.'.join(parts[3:])}"
    if name.startswith("pyramid.up"):
        return f"fpn.Up_layer{int(parts[2]) + 2}.{parts[3]}"
    if name.startswith("classifiers"):
        return f"fpn_classifier_layer{int(parts[1]) + 1}.{'.'.join(parts[2:])}"
    if name.startswith("combiner"):
        theirs = {
            "gather": "param_pool0",
            "adjacency": "adj1",
            "alpha": "alpha1",
            "query": "conv_q1",
            "key": "conv_k1",
            "mix": "conv1",
            "norm": "batch_norm1",
            "pool": "param_pool1",
            "classify": "classifier",
        }
        return ".".join(["combiner", theirs[parts[1]], *parts[2:]])
    if name.startswith("backbone.layers") and parts[3] == "downsample":
        return f"backbone.layers.{int(parts[2]) - 1}.{'.'.join(parts[3:])}"
    return name


def as_published(network: Pim) -> dict[str, torch.Tensor]:
    convolutions = ("fpn_classifier", "fpn.Up", "combiner.conv")
    weights = {}
    for name, tensor in network.state_dict().items():
        theirs = published_name(name)
        if theirs.startswith(convolutions) and theirs.endswith("weight") and tensor.dim() == 2:
            tensor = tensor.unsqueeze(-1)
        if not name.startswith("gate"):
            weights[theirs] = tensor.clone()
    return weights


@pytest.fixture(scope="module")
def drawn() -> Pim:
    """Draw the weights once; tests change copies."""
    return small(backbone="swin_tiny_patch4_window7_224", upsampling="tokens")


@pytest.fixture
def swin(drawn: Pim) -> Pim:
    return deepcopy(drawn)


def test_published_checkpoint_loads_whole_under_its_own_names(swin, drawn, tmp_path):
    torch.manual_seed(3)
    source = deepcopy(drawn)
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter)
    weights = as_published(source) | {
        "backbone.head.weight": torch.zeros(5, 5),
        "backbone.layers.0.blocks.0.attn.relative_position_index": torch.zeros(3),
    }
    torch.save({"model": weights, "epoch": 9, "optimizer": {}}, tmp_path / "best.pt")
    loaded = load_published(swin, tmp_path / "best.pt")
    assert loaded.unknown == ("backbone.head.weight",)
    assert (loaded.misfits, loaded.missing) == ((), ())
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(source.eval()(image).logits, swin.eval()(image).logits)


def test_what_does_not_fit_is_named_and_nothing_is_skipped_silently(swin):
    weights = as_published(swin)
    weights["combiner.classifier.weight"] = torch.zeros(200, 16)
    del weights["combiner.classifier.bias"]
    loaded = adopt(swin, weights)
    assert loaded.misfits == ("combiner.classifier.weight (200, 16) for (4, 16)",)
    assert loaded.missing == ("combiner.classify.weight", "combiner.classify.bias")
    assert "200, 16" in str(loaded)


def test_checkpoint_of_another_architecture_is_refused(swin, tmp_path):
    torch.save({"model": {"layer1.weight": torch.zeros(3)}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="another architecture"):
        load_published(swin, tmp_path / "other.pt")


def test_data_parallel_prefix_is_taken_off():
    assert our_name("module.combiner.adj1") == "combiner.adjacency"
