"""The losses: PIM's four terms, plain classes, landmarks, and an optional hint from boxes.

total = nodes * sum_l CE(mean of token logits_l, y) + selected * sum_l CE(selected tokens_l, y)
      + dropped * sum_l MSE(tanh(dropped token logits_l), -1) + combined * CE(combiner, y)
(Chou et al. 2022, section 3.4; published weights 0.5, 0, 5, 1). With a label vector instead of a
class index, CE is the binary cross entropy of each finding. A part that the network lacks has no
term; the pooled head alone counts as the combiner, and so does a plain classifier.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from model.networks.pim import PimOutput
from training.recipe.sections import LossSection

HINTED_LEVELS = 2
_RARE = -4.0  # initial log-odds of a fractured cell
_FOCUS = 2.0  # Lin et al. 2017, focal loss
_COVERED = 0.25  # a cell counts as fractured from this share on
_MINIMUM_CELLS = 8.0


def pim_terms(
    output: PimOutput,
    label: Tensor,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
    focal: float = 0.0,
) -> dict[str, Tensor]:
    """Return the four terms without weights, each a scalar, by the names of `LossSection`.

    Parameters
    ----------
    output : PimOutput
    label : Tensor [batch], int64, or [batch, classes], float32
        Class index, or the share of each finding.
    smoothing : float
        Label smoothing of the cross entropies.
    weights : Tensor [classes], optional
    focal : float
        For both see `label_loss`.
    """
    classes = output.logits.shape[-1]

    def entropy(logits: Tensor, target: Tensor) -> Tensor:
        return label_loss(logits, target, smoothing, weights, focal)

    if not output.token_logits:
        return {"combined": entropy(output.logits, label)}
    nodes = [entropy(logits.mean(dim=1), label) for logits in output.token_logits]
    selected, dropped = [], []
    for logits, selection in zip(output.token_logits, output.selections, strict=True):
        kept = selection.index.shape[1]
        picked = logits.gather(1, selection.index.unsqueeze(-1).expand(-1, -1, classes))
        selected.append(entropy(picked.flatten(0, 1), label.repeat_interleave(kept, dim=0)))
        mask = selection.dropped(logits.shape[1])
        silence = (torch.tanh(logits.float()) + 1).square().mean(dim=-1)
        dropped.append((silence * mask).sum() / mask.sum().clamp(min=1))
    terms = {
        "nodes": torch.stack(nodes).sum(),
        "selected": torch.stack(selected).sum(),
        "dropped": torch.stack(dropped).sum(),
    }
    if output.combined is not None:
        terms["combined"] = entropy(output.combined, label)
    return terms


def label_loss(
    logits: Tensor,
    label: Tensor,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
    focal: float = 0.0,
) -> Tensor:
    """Cross entropy for class indices, binary cross entropy for label vectors.

    Weights [classes] count films of a class (index) or films that have a finding (vector). With
    `focal` > 0 each film, or finding of a film, counts by its error to this power (Lin et al.
    2017).
    """
    wide = logits.float()
    if label.is_floating_point():
        soft = label * (1 - smoothing) + 0.5 * smoothing
        way = "none" if focal else "mean"
        loss = functional.binary_cross_entropy_with_logits(
            wide, soft, pos_weight=weights, reduction=way
        )
        return loss if not focal else (loss * (torch.sigmoid(wide) - label).abs() ** focal).mean()
    if not focal:
        return functional.cross_entropy(wide, label, weight=weights, label_smoothing=smoothing)
    loss = functional.cross_entropy(
        wide, label, weight=weights, label_smoothing=smoothing, reduction="none"
    )
    right = torch.softmax(wide, dim=-1).gather(-1, label.unsqueeze(-1)).squeeze(-1)
    return (loss * (1 - right) ** focal).mean()


def landmark_loss(found: Tensor, true: Tensor) -> Tensor:
    """Mean squared distance of places [batch, landmarks, 2], fractions of the side (KNEEL)."""
    return functional.mse_loss(found.float(), true)


def total(terms: dict[str, Tensor], weights: LossSection) -> Tensor:
    """Weighted sum of the terms that are there."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()


class BoxHints(nn.Module):
    """Asks the finer pyramid levels where the fracture is; used in training only.

    Parameters
    ----------
    width : int
        Channels of the pyramid.
    grids : list of (rows, columns)
        Grids of its levels, the finest first.
    """

    def __init__(self, width: int, grids: list[tuple[int, int]]) -> None:
        super().__init__()
        self.grids = grids[:HINTED_LEVELS]
        layers = [nn.Linear(width, 1) for _ in self.grids]
        for layer in layers:
            nn.init.constant_(layer.bias, _RARE)
        self.point = nn.ModuleList(layers)

    @override
    def forward(self, levels: list[Tensor], mask: Tensor, known: Tensor) -> Tensor:
        """Focal loss of fractured cells, a scalar.

        Parameters
        ----------
        levels : list of Tensor [batch, tokens, width]
        mask : Tensor [batch, cells, cells]
            Share of each cell that a box covers.
        known : Tensor [batch], bool
            False for fractured films without a box, which say nothing about places.
        """
        losses = []
        for level, grid, point in zip(levels, self.grids, self.point, strict=False):
            truth = functional.adaptive_max_pool2d(mask.unsqueeze(1), grid).flatten(1)
            truth = (truth >= _COVERED).float()
            logits = point(level).squeeze(-1).float()
            raw = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
            wrong = (torch.sigmoid(logits) - truth).abs()
            focal = raw * wrong**_FOCUS * known.unsqueeze(1)
            losses.append(focal.sum() / (truth.sum() + _MINIMUM_CELLS))
        return torch.stack(losses).sum()
