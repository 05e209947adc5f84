"""After the last step: calibration, gate and figures, on films the network was not trained on."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.networks.pim import Pim
from model.pixels import PixelProfile
from training import gate
from training.calibrate import fit_temperature, operating_points, softmax
from training.config import Recipe
from training.data import Film, load_pictures, read_chests
from training.evaluate import answer_all, figures
from training.localise import pointing_game

logger = logging.getLogger(__name__)


def judge(
    network: Pim, learned: list[Film], held: list[Film], recipe: Recipe, profile: PixelProfile
) -> tuple[dict[str, float], dict[str, Any]]:
    """Fit what is fitted after training, and measure.

    Parameters
    ----------
    network : Pim
        Trained; its gate is fitted here, on `learned`.
    learned, held : list of Film
        All limb films of either side of the split; scores are judged on the hands among `held`.
    recipe : Recipe
    profile : PixelProfile

    Returns
    -------
    decision : dict
        Temperature, operating points and gate threshold, chosen on `held`.
    metrics : dict
        Figures, each [value, lower, upper] where it has an interval.
    """
    hands = [film for film in held if film.hand_only]
    logits = answer_all(network, load_pictures(hands, profile), profile).logits
    decision = decide(logits, hands)
    seen = figures(logits, hands, decision)
    logger.info("AUROC %s", seen["auroc"])
    chests = read_chests(recipe.data.root or Path())
    apart = {side: [chest for chest in chests if chest.split == side] for side in ("train", "val")}
    gate.fit_to_films(network, learned, apart["train"], recipe, profile)
    decision["gate_threshold"], passing = gate.judge(network, held, apart["val"], profile)
    return decision, {
        "judged_by": "validation" if recipe.data.fold is None else f"fold {recipe.data.fold}",
        "films": len(hands),
        "fractured": sum(film.fractured for film in hands),
        "groups": len({film.group for film in hands}),
        **seen,
        "gate": passing,
        "localisation": pointing_game(network, hands, profile),
    }


def decide(logits: NDArray[np.float32], films: list[Film]) -> dict[str, float]:
    """Return temperature and operating points for logits [n, classes] of these films."""
    positive = np.array([film.fractured for film in films])
    temperature = fit_temperature(logits, positive.astype(np.int64))
    low, high = operating_points(softmax(logits, temperature)[:, 1], positive)
    return {"temperature": temperature, "high_sensitivity": low, "high_specificity": high}
