"""Optimisers: Lion (Chen et al. 2023), SGD with Nesterov momentum, AdamW, Adam; and their rates."""

import torch
from lion_pytorch import Lion
from torch.optim import SGD, Adam, AdamW, Optimizer

from model.networks.pim import Pim
from training.plan import StepSection
from training.schedule import published_rate, step_rate


def make_optimiser(network: Pim, section: StepSection) -> Optimizer:
    """Return the optimiser of a plan: one group for the backbone, one for the rest.

    Each group carries its largest rate as ``top``. AdamW and Adam take the betas as they are (the
    paper's 0.9 and 0.99), and all the configured weight decay (Adam as a part of the gradient).
    """
    known = {id(p) for p in network.backbone.parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    backbone_rate = section.lr_backbone or section.lr
    groups = [
        _group([p for p in trained if id(p) in known], backbone_rate, section.head_epochs),
        _group([p for p in trained if id(p) not in known], section.lr, 0),
    ]
    groups = [group for group in groups if group["params"]]
    decay = section.weight_decay
    if section.name == "lion":
        lion: Optimizer = Lion(groups, betas=section.betas, weight_decay=decay)  # without types
        return lion
    if section.name in ("adamw", "adam"):
        kind = AdamW if section.name == "adamw" else Adam
        return kind(groups, betas=section.betas, weight_decay=decay)
    return SGD(
        groups,
        lr=section.lr,
        momentum=section.momentum,
        nesterov=section.momentum > 0,
        weight_decay=decay,
    )


def set_rates(optimiser: Optimizer, section: StepSection, passes: int, whole: int) -> None:
    """Give every group its rate for the next pass.

    Parameters
    ----------
    optimiser : Optimizer
        From `make_optimiser`.
    section : StepSection
    passes : int
        Passes done.
    whole : int
        Passes of one epoch.
    """
    total = section.epochs * whole
    for group in optimiser.param_groups:
        group["lr"] = _rate(section, passes, total, group["top"])
        if passes < group["still_epochs"] * whole:
            group["lr"] = 0.0


def _rate(section: StepSection, passes: int, total: int, top: float) -> float:
    if section.schedule == "cosine":
        return published_rate(passes, total, section.warmup, top)
    return step_rate(passes, total, section.warmup, top, section.milestones, section.gamma)


def _group(parameters: list[torch.nn.Parameter], rate: float, still: int) -> dict[str, object]:
    return {"params": parameters, "lr": rate, "top": rate, "still_epochs": still}
