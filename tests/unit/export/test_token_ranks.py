"""Tokens that are equally sure: the reference follows the graph's ranks, if they are ranks."""

import numpy as np
import onnx
import pytest
import torch

from export.graph import write_graph
from export.parity import ParityError, measure, of_graph, of_network, of_oracle
from export.pictures import tied
from export.token_ranks import Follower, ranks_tokens
from model.gradcam import GradCam
from model.networks.registry import build_network
from model.networks.selector import confidence
from model.pixels import PixelProfile
from model.tolerances import LIMITS
from tests.unit.export.test_every_network import FULL, SMALL, TWO, trained_like

pytestmark = pytest.mark.long

SIZE, LAYER = 64, "level3"
FIELDS = {
    **SMALL["pim over resnet"][0],
    "backbone": "mobilenetv2_050",
    "size": SIZE,
    "head": "combiner",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    network = trained_like(FIELDS)
    graph = tmp_path_factory.mktemp("ranks") / "model.onnx"
    write_graph(GradCam(network, LAYER), SIZE, graph)
    return network, graph


def led(network, layer, graph):
    follower = Follower.of(network, graph)
    cam = GradCam(follower, layer)
    return follower.lead(of_network(cam)), follower.lead(of_oracle(cam))


def insist_same(network, layer, graph):
    """Ties and all: without the graph's ranks logits of these networks differ by up to 1.3e-3."""
    shape = (4, 3, network.config.size, network.config.size)
    pictures = [np.random.default_rng(3).standard_normal(shape, np.float32)]
    pictures.append(tied(PixelProfile(size=network.config.size)))
    about = (len(network.config.classes), "softmax")
    found = measure(of_graph(graph), led(network, layer, graph), pictures, about)
    assert found["logits"] <= 1e-4, found
    assert max(found["cam"], found["cam_oracle"]) <= LIMITS["fp32"]["tied_cam"], found


def test_with_the_graphs_ranks_logits_and_maps_are_the_same(small):
    network, graph = small
    insist_same(network, LAYER, graph)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FULL if name.startswith("pim")])
def test_with_the_graphs_ranks_full_sizes_are_the_same_too(name, tmp_path):
    fields, layer = FULL[name]
    network = trained_like(fields)
    write_graph(GradCam(network, layer), network.config.size, tmp_path / "model.onnx")
    insist_same(network, layer, tmp_path / "model.onnx")


def test_what_is_no_order_of_confidence_is_refused(small, tmp_path):
    network, graph = small
    model = onnx.load(graph)
    for node in model.graph.node:
        if node.op_type == "TopK":
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("largest", 0))
    onnx.save(model, tmp_path / "reversed.onnx")
    reference, _ = led(network, LAYER, tmp_path / "reversed.onnx")
    image = np.random.default_rng(0).standard_normal((1, 3, SIZE, SIZE), np.float32)
    with pytest.raises(ParityError, match=r"ranks: a token stands before one that is surer by"):
        reference(image, np.array([1]))


def test_leading_leaves_the_network_as_it_is(small):
    network, graph = small
    image = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = network(image)
        reference, _ = led(network, LAYER, graph)
        reference(image.numpy(), np.array([1]))
        after = network(image)
    assert torch.equal(before.logits, after.logits)
    ranks = confidence(before.token_logits[0]).gather(1, before.selections[0].index)
    assert (ranks.diff(dim=1) <= 0).all()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({**SMALL["pim over resnet"][0], "head": "combiner"}, True),
        ({**SMALL["pim over resnet"][0], "selection": False}, False),
        ({**SMALL["pim over resnet"][0], "combiner": False}, False),
        ({**SMALL["pim over resnet"][0], "head": "pooled"}, False),
        ({"kind": "seresnet", "backbone": "test_resnet"}, False),
    ],
    ids=["pim", "no selection", "no combiner", "pooled", "no pim"],
)
def test_only_a_selection_ranks(fields, expected):
    network = build_network({"size": SIZE, "classes": TWO, **fields})
    assert ranks_tokens(network) == expected
