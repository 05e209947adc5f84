"""The combiner: selected tokens of all nodes become the joints of a learned graph, then one answer.

Source: Chou et al. 2022, section 3.3. All kernel-1 Conv1d layers are written as Linear over the
channel axis of [batch, joints, width]: the same numbers and parameter counts.
"""

import torch
from torch import Tensor, nn
from typing_extensions import override

from model.networks.pyramid import TokenNorm

TOKENS_PER_JOINT = 32


class Combiner(nn.Module):
    """Pool tokens to joints, mix joints with an adjacency, pool joints to class logits.

    Parameters
    ----------
    tokens : int
        Selected tokens of all nodes together.
    width : int
        Channels of a token.
    classes : int
    dropout : float
        Share of the pooled channels left out in training.
    """

    def __init__(self, tokens: int, width: int, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        joints = max(1, tokens // TOKENS_PER_JOINT)
        self.gather = nn.Linear(tokens, joints)
        self.adjacency = nn.Parameter(torch.full((joints, joints), 0.01) + 0.01 * torch.eye(joints))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.query = nn.Linear(width, max(1, width // 4))
        self.key = nn.Linear(width, max(1, width // 4))
        self.mix = nn.Linear(width, width)
        self.norm = TokenNorm(width)
        self.pool = nn.Linear(joints, 1)
        self.drop = nn.Dropout(dropout)
        self.classify = nn.Linear(width, classes)

    @override
    def forward(self, tokens: Tensor) -> Tensor:
        """Turn selected tokens [batch, tokens, width] in rank order into logits."""
        joints = self.gather(tokens.transpose(1, 2)).transpose(1, 2)
        asks = self.query(joints).mean(dim=2).unsqueeze(2)
        answers = self.key(joints).mean(dim=2).unsqueeze(1)
        graph = self.adjacency + self.alpha * torch.tanh(asks - answers)
        joints = self.norm(graph.transpose(1, 2) @ self.mix(joints))
        pooled = self.pool(joints.transpose(1, 2)).squeeze(2)
        logits: Tensor = self.classify(self.drop(pooled))
        return logits
