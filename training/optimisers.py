"""Optimisers: Lion (Chen et al. 2023), SGD with Nesterov momentum, AdamW."""

import torch
from lion_pytorch import Lion
from torch.optim import SGD, AdamW, Optimizer

from model.networks.pim import Pim
from training.plan import StepSection


def make_optimiser(network: Pim, section: StepSection) -> Optimizer:
    """Return the optimiser of a plan: one group for the backbone, one for the rest.

    Each group carries its largest rate as ``top``. AdamW takes the betas as they are (the paper's
    0.9 and 0.99), and all three the configured weight decay.
    """
    known = {id(p) for p in network.backbone.parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    backbone_rate = section.lr_backbone or section.lr
    groups = [
        _group([p for p in trained if id(p) in known], backbone_rate),
        _group([p for p in trained if id(p) not in known], section.lr),
    ]
    groups = [group for group in groups if group["params"]]
    decay = section.weight_decay
    if section.name == "lion":
        return Lion(groups, betas=section.betas, weight_decay=decay)
    if section.name == "adamw":
        return AdamW(groups, betas=section.betas, weight_decay=decay)
    return SGD(
        groups,
        lr=section.lr,
        momentum=section.momentum,
        nesterov=section.momentum > 0,
        weight_decay=decay,
    )


def _group(parameters: list[torch.nn.Parameter], rate: float) -> dict[str, object]:
    return {"params": parameters, "lr": rate, "top": rate}
