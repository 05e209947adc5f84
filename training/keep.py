"""After an epoch: judge on validation films, keep ``last.pt`` and, when it is better, ``best.pt``.

The figure that decides is fixed before the run: top-1 accuracy of the configured head, or the mean
AUROC of the findings. Calibration and operating points are chosen on the same films and travel in
the checkpoint.
"""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from model import checkpoint
from model.checkpoint import Checkpoint
from model.networks.pim import Pim
from training.answers import ANSWER, answer_films, targets
from training.curves import draw_curves
from training.decision import decide
from training.geometry import pixels_of
from training.plan import Plan
from training.provenance import provenance
from training.states import SaveError
from training.supply import Supply

logger = logging.getLogger(__name__)


class Keeper:
    """Judges and keeps the network of one run.

    Parameters
    ----------
    plan : Plan
    supply : Supply
    device : torch.device
    """

    def __init__(self, plan: Plan, supply: Supply, device: torch.device) -> None:
        self._plan, self._supply = plan, supply
        self._truth = targets(supply.val.examples, plan.classes)
        self._provenance = provenance(plan, supply, device)
        self.chosen_by = "accuracy" if plan.task == "single" else "mean_auroc"

    def keep(
        self, network: Pim, passes: int, best: float, history: dict[str, list[list[float]]]
    ) -> tuple[dict[str, float], float]:
        """Judge and save; return the figures and the best value so far.

        Raises
        ------
        SaveError
            A checkpoint could not be written; the one before it is kept.
        """
        logits = answer_films(network, self._supply.val).heads[ANSWER]
        figures = self._figures(logits)
        value = figures[self.chosen_by]
        history.setdefault(f"val {self.chosen_by}", []).append([passes, value])
        stored = self._checkpoint(network, passes, logits, figures)
        out = self._plan.out
        try:
            checkpoint.save(stored, out / "last.pt")
            if value > best:
                checkpoint.save(stored, out / "best.pt")
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            raise SaveError(f"{out}: checkpoint not saved, the one before is kept: {error}") from (
                error
            )
        draw_curves(history, out / "curves.png")
        logger.info("pass %d: %s %.4f (best %.4f)", passes, self.chosen_by, value, best)
        return figures, max(best, value)

    def _figures(self, logits: NDArray[np.float32]) -> dict[str, float]:
        if self._plan.task == "single":
            right = logits.argmax(axis=1) == self._truth.argmax(axis=1)
            figures = {"accuracy": float(right.mean())}
        else:
            figures = {}
        known = [c for c in range(logits.shape[1]) if 0 < self._truth[:, c].mean() < 1]
        areas = [float(roc_auc_score(self._truth[:, c], logits[:, c])) for c in known]
        figures["mean_auroc"] = float(np.mean(areas)) if areas else 0.5
        return figures

    def _checkpoint(
        self, network: Pim, passes: int, logits: NDArray[np.float32], figures: dict[str, float]
    ) -> Checkpoint:
        plan = self._plan
        return Checkpoint(
            network=plan.pim().model_dump(mode="json"),
            pixels=pixels_of(plan.data.geometry, plan.profile()),
            weights={name: tensor.cpu() for name, tensor in network.state_dict().items()},
            recipe=plan.public(),
            provenance=self._provenance | {"passes": str(passes)},
            decision=decide(logits, self._truth, plan.classes, plan.pim().activation),
            metrics={**figures, "judged_by": plan.data.val},
        )
