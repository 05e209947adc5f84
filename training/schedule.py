"""The learning rate over the steps: linear warm-up, then half a cosine.

`rate` is the shipped model's; `published_rate` the wrist paper's, to the last digit; `step_rate`
falls in steps instead of a cosine.
"""

import math
from collections.abc import Sequence


def rate(step: int, steps: int, warmup: int) -> float:
    """Return the factor in (0, 1] of the largest rate at `step` (0-based) of `steps`."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


LOWEST_WARMUP = 1e-9
LOWEST_COSINE = 1e-12


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
