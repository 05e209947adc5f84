"""Optimisers: Lion (Chen et al. 2023), SGD with Nesterov momentum, AdamW, Adam; and their rates."""

import math
from collections.abc import Iterable, Sequence

from lion_pytorch import Lion
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from training.recipe.sections import OptimiserSection

LOWEST_WARMUP = 1e-9
LOWEST_COSINE = 1e-12


def make_optimiser(
    learner: nn.Module, backbone: Iterable[nn.Parameter], section: OptimiserSection
) -> Optimizer:
    """Return the optimiser of a recipe: one group for the backbone, one for the rest.

    Each group carries its largest rate as ``top``. AdamW and Adam take the betas as they are (the
    paper's 0.9 and 0.99), and all the configured weight decay (Adam as a part of the gradient).
    """
    known = {id(p) for p in backbone}
    trained = [p for p in learner.parameters() if p.requires_grad]
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


def set_rates(
    optimiser: Optimizer, section: OptimiserSection, passes: int, whole: int, total: int
) -> None:
    """Give every group its rate for the next pass.

    Parameters
    ----------
    optimiser : Optimizer
        From `make_optimiser`.
    section : OptimiserSection
    passes : int
        Passes done.
    whole : int
        Passes of one epoch.
    total : int
        Passes of the run.
    """
    for group in optimiser.param_groups:
        group["lr"] = _rate(section, passes, total, group["top"])
        if passes < group["still_epochs"] * whole:
            group["lr"] = 0.0


def _rate(section: OptimiserSection, passes: int, total: int, top: float) -> float:
    if section.schedule == "cosine":
        return published_rate(passes, total, section.warmup, top)
    return step_rate(passes, total, section.warmup, top, section.milestones, section.gamma)


def _group(parameters: list[nn.Parameter], rate: float, still: int) -> dict[str, object]:
    return {"params": parameters, "lr": rate, "top": rate, "still_epochs": still}


def published_rate(step: int, steps: int, warmup: int, top: float) -> float:
    """Return the learning rate at `step` (0-based) of `steps`, in the paper's own schedule.

    From 1e-9 to `top` in a line, both ends met, over `warmup` steps; then half a cosine whose
    period is all steps, so that it ends above zero by the share that warm-up took.
    """
    if step < warmup:
        return LOWEST_WARMUP + (top - LOWEST_WARMUP) * step / max(1, warmup - 1)
    done = math.pi * (step - warmup) / steps
    return LOWEST_COSINE + 0.5 * (top - LOWEST_COSINE) * (1 + math.cos(done))


def step_rate(
    step: int, steps: int, warmup: int, top: float, milestones: Sequence[float], gamma: float
) -> float:
    """Return the rate that warms up as `published_rate` and falls to `gamma` of itself in steps.

    Parameters
    ----------
    milestones : sequence of float
        Shares of all steps after which the rate falls.
    """
    if step < warmup:
        return published_rate(step, steps, warmup, top)
    return top * gamma ** sum(step >= share * steps for share in milestones)
