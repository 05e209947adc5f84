"""Why a PIM's logits may differ by more than rounding: its combiner weighs tokens by rank.

Tokens whose confidence differs by less than its rounding are ranked one way here and the other way
there, in any two runtimes: PyTorch in single precision differs from itself in double precision in
the same way. Given the same ranks the answers agree as those of any other network do.
"""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from export.graph import write_graph
from export.parity import of_graph
from model.gradcam import GradCam
from model.networks.selector import confidence
from tests.unit.export.test_every_network import FULL, SMALL, trained_like

ROUNDING = 1e-4
"""Of a confidence, in log-odds: a token's logits are sums over hundreds of channels."""

PIMS = {
    "small": ({**SMALL["pim over mobilenet"][0], "size": 64, "head": "combiner"}, "level3"),
    **{name: FULL[name] for name in FULL if name.startswith("pim")},
}


def with_ranks(graph, folder):
    """Return the graph with the places that its nodes keep, in order, as further outputs."""
    model = onnx.load(graph)
    kept = [node.output[1] for node in model.graph.node if node.op_type == "TopK"]
    for name in kept:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.INT64, None))
    onnx.save(model, folder / "ranks.onnx")
    return folder / "ranks.onnx", kept


def torch_with(network, image, ranks):
    """Let PyTorch do everything but the ranking: its logits, and the confidence of every token."""
    with torch.no_grad():
        levels, _ = network.look(torch.from_numpy(image))
        sure = [
            confidence(classify(level))
            for classify, level in zip(network.classifiers, levels, strict=True)
        ]
        kept = [
            torch.gather(level, 1, rank.unsqueeze(-1).expand(-1, -1, level.shape[-1]))
            for level, rank in zip(levels, ranks, strict=True)
        ]
        return network.combiner(torch.cat(kept, dim=1)).numpy(), sure


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "small" else pytest.mark.slow) for name in PIMS]
)
def test_with_the_same_ranks_the_logits_are_the_same(name, tmp_path):
    fields, layer = PIMS[name]
    network = trained_like(fields)
    cam = GradCam(network, layer)
    write_graph(cam, cam.size, tmp_path / "model.onnx")
    graph, kept = with_ranks(tmp_path / "model.onnx", tmp_path)
    image = np.random.default_rng(3).standard_normal((4, 3, cam.size, cam.size), np.float32)
    answer = of_graph(graph)(image, np.ones(4, np.int64))
    ranks = [torch.from_numpy(answer[name]) for name in kept]
    logits, sure = torch_with(network, image, ranks)
    assert np.abs(answer["logits"] - logits).max() <= 1e-4
    for values, rank in zip(sure, ranks, strict=True):
        ordered = torch.gather(values, 1, rank)
        assert (ordered.diff(dim=1) <= ROUNDING).all()  # falls, but for rounding
        left_out = values.scatter(1, rank, -torch.inf).amax(dim=1)
        assert (left_out - ordered[:, -1] <= ROUNDING).all()
