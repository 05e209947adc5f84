"""After an epoch: judge on validation films, keep ``last.pt`` and, when it is better, ``best.pt``.

The figure that decides is fixed before the run (`training.judging.verdict`). Calibration and
operating points are chosen on the same films and travel in the checkpoint.
"""

import logging
from typing import Any

import torch

from model import checkpoint
from model.checkpoint import Checkpoint
from model.networks.registry import Network
from training.data.films import pixels_of
from training.data.supply import Supply
from training.judging.baselines import Reached
from training.judging.verdict import Judgement, judge_of
from training.recipe import Recipe
from training.run.curves import draw_curves
from training.run.provenance import provenance
from training.run.resuming import SaveError
from training.run.start import Run

logger = logging.getLogger(__name__)


class Keeper:
    """Judges and keeps the network of one run.

    Parameters
    ----------
    recipe : Recipe
    supply : Supply
    device : torch.device
    baselines : dict
        What was reached without training.
    """

    def __init__(
        self, recipe: Recipe, supply: Supply, device: torch.device, baselines: Reached
    ) -> None:
        self._recipe, self._baselines = recipe, baselines
        self._provenance = provenance(recipe, supply, device)
        self._judge = judge_of(recipe, supply)
        self.chosen_by = self._judge.chosen_by

    def keep(self, run: Run, ended: bool) -> dict[str, Any]:
        """Judge and save; return the figures.

        Raises
        ------
        SaveError
            A checkpoint could not be written; the one before it is kept.
        """
        verdict = self._judge.judge(run.judged, ended)
        value = verdict.figures[self.chosen_by]
        run.history.setdefault(f"val {self.chosen_by}", []).append([run.passes, value])
        stored = self._checkpoint(run.judged, run.passes, verdict)
        out = self._recipe.out
        try:
            checkpoint.save(stored, out / "last.pt")
            if value > run.best:
                checkpoint.save(stored, out / "best.pt")
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            raise SaveError(f"{out}: checkpoint not saved, the one before is kept: {error}") from (
                error
            )
        run.best = max(run.best, value)
        draw_curves(run.history, out / "curves.png")
        logger.info("pass %d: %s %.4f (best %.4f)", run.passes, self.chosen_by, value, run.best)
        return verdict.figures

    def _checkpoint(self, network: Network, passes: int, verdict: Judgement) -> Checkpoint:
        recipe, data = self._recipe, self._recipe.data
        judged_by = data.val if data.fold is None else f"fold {data.fold} of {data.train}"
        baselines = {"baselines": self._baselines} if self._baselines else {}
        return Checkpoint(
            network=network.config.model_dump(mode="json") | {"kind": recipe.network.kind},
            pixels=pixels_of(data.geometry, recipe.profile()),
            weights={name: tensor.cpu() for name, tensor in network.state_dict().items()},
            recipe=recipe.public(),
            provenance=self._provenance | {"passes": str(passes)},
            decision=verdict.decision,
            metrics={**verdict.figures, "judged_by": judged_by, **baselines},
        )
