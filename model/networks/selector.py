"""The weakly supervised selector: each node keeps the tokens it is most confident about.

No parameters. Batched: top-k and gather, in order of confidence, because the combiner weighs
tokens by rank. Source: Chou et al. 2022, section 3.2.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Activation = Literal["softmax", "sigmoid"]
"""One class of several, or each class for itself."""


@dataclass(frozen=True)
class Selection:
    """What one node keeps.

    Attributes
    ----------
    features : Tensor [batch, kept, width]
        Most confident token first.
    index : Tensor [batch, kept], int64
        Their places among the node's tokens.
    """

    features: Tensor
    index: Tensor

    def dropped(self, tokens: int) -> Tensor:
        """Mask [batch, tokens]: 1 for a dropped token, 0 for a kept one."""
        mask = torch.ones(self.index.shape[0], tokens, device=self.index.device)
        return mask.scatter(1, self.index, 0.0)


def confidence(logits: Tensor, activation: Activation = "softmax") -> Tensor:
    """How sure each token is: [batch, tokens, classes] -> [batch, tokens].

    With "softmax" the log-odds of the likeliest class. The published key, its probability, has
    the same order but rounds to 1 where a token is sure; equal keys would leave the ranks, and so
    the answer, to the runtime. With "sigmoid" the probability of the surest finding.
    """
    if activation == "sigmoid":
        return torch.sigmoid(logits).amax(dim=-1)
    best, likeliest = logits.max(dim=-1, keepdim=True)
    classes = torch.arange(logits.shape[-1], device=logits.device)
    others = torch.where(classes == likeliest, torch.finfo(logits.dtype).min / 2, logits)
    return best.squeeze(-1) - torch.logsumexp(others, dim=-1)


def select(
    features: Tensor, logits: Tensor, keep: int, activation: Activation = "softmax"
) -> Selection:
    """Keep the `keep` most confident of the tokens [batch, tokens, width]."""
    ranks = confidence(logits.detach(), activation)
    return take(features, torch.topk(ranks, keep, dim=1, sorted=True).indices)


def take(features: Tensor, index: Tensor) -> Selection:
    """Keep the tokens at `index` [batch, kept], in that order."""
    places = index.unsqueeze(-1).expand(-1, -1, features.shape[-1])
    return Selection(torch.gather(features, 1, places), index)


def keep_all(features: Tensor) -> Selection:
    """Keep every token where it is: the network without a selector."""
    batch, tokens, _ = features.shape
    places = torch.arange(tokens, device=features.device).expand(batch, tokens)
    return Selection(features, places)
