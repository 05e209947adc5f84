"""Equally sure tokens: the graph ranks them, and the gate's reference follows.

A PIM's combiner weighs tokens by the rank of their confidence. Where two differ by less than the
rounding of a confidence, one runtime ranks them this way and another that way; PyTorch in single
precision differs from itself in double precision so. Neither is wrong, yet logits move by 1e-3 and
maps by 6e-3. Given the graph's ranks everything else must agree as it does in any network, once
they are seen to be ranks: no token stands before one that is surer by more than rounding.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self, TypeGuard

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn
from typing_extensions import override

from export.parity import Answer, Answerer, ParityError, of_graph
from model.networks.pim import Pim
from model.networks.selector import Selection, confidence, take

ROUNDING = 1e-3
"""Of a confidence in log-odds; drawn weights showed 1e-5."""


class Follower(Pim):
    """A PIM that takes the ranks of its tokens from a graph made of it."""

    ranks: Sequence[Tensor] = ()
    answer_ranks: Answerer

    @classmethod
    def of(cls, network: Pim, graph: Path, batch: int | None = None) -> Self:
        """Share a network's weights; `batch` images are the graph's in each call."""
        made = cls(network.config)
        made.load_state_dict(network.state_dict(), assign=True)
        made.answer_ranks = of_graph(_with_ranks_only(graph), batch)
        return made.eval().requires_grad_(False)

    def lead(self, answerer: Answerer) -> Answerer:
        """Let what answers from this network rank as the graph does."""

        def run(image: NDArray[np.float32], target: NDArray[np.int64]) -> Answer:
            found = self.answer_ranks(image, target)
            self.ranks = [torch.from_numpy(places) for places in found.values()]
            return answerer(image, target)

        return run

    @override
    def choose(self, levels: list[Tensor], token_logits: list[Tensor]) -> list[Selection]:
        if not self.ranks:
            return super().choose(levels, token_logits)
        for logits, rank in zip(token_logits, self.ranks, strict=True):
            _insist_ranked(confidence(logits.detach(), self.config.activation), rank)
        return [take(level, rank) for level, rank in zip(levels, self.ranks, strict=True)]


def ranks_tokens(network: nn.Module) -> TypeGuard[Pim]:
    """Tell whether an answer depends on the order of a network's tokens."""
    if not isinstance(network, Pim) or network.config.head == "pooled":
        return False
    return network.config.selection and network.config.combiner


def _insist_ranked(sure: Tensor, rank: Tensor) -> None:
    """Raise ParityError where a token of [batch, tokens] is passed over by a less sure one."""
    kept = torch.gather(sure, 1, rank)
    left_out = sure.scatter(1, rank, -torch.inf).amax(dim=1, keepdim=True)
    passed = torch.cat([kept[:, 1:], left_out], dim=1) - kept
    if not (worst := float(passed.max())) <= ROUNDING:
        raise ParityError(
            f"ranks: a token stands before one that is surer by {worst:.1e}, allowed {ROUNDING:.0e}"
        )


def _with_ranks_only(graph: Path) -> Path:
    """Write a graph beside another that answers with the places of the tokens it keeps."""
    model = onnx.load(graph, load_external_data=False)
    kept = [node.output[1] for node in model.graph.node if node.op_type == "TopK"]
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(n, TensorProto.INT64, None) for n in kept
    )
    file = graph.with_name("ranks.onnx")
    onnx.save(model, file)
    return file
