"""The network of a recipe, with its initial weights, the first parts frozen."""

import logging

from model.networks.backbone import freeze_norms
from model.networks.pim import Pim
from model.networks.published import load_published
from model.networks.registry import Network, build_network
from training.recipe import Recipe
from training.recipe.parsing import RecipeError
from training.run.learner import Learner

logger = logging.getLogger(__name__)


def build(recipe: Recipe) -> Network:
    """Build the network with its initial weights, the first stages frozen.

    Raises
    ------
    RecipeError
        The weights cannot be read, or are those of another network.
    """
    part = recipe.network
    fields = recipe.configuration().model_dump(mode="json") | {"kind": part.kind}
    try:
        network = build_network(fields, part.weights or None)
        if part.published_weights is not None:
            if not isinstance(network, Pim):
                raise RecipeError("network.published_weights: only network.kind=pim has them")
            logger.info("%s", load_published(network, part.published_weights))
    except (OSError, ValueError) as error:
        raise RecipeError(f"network: {error}") from error
    for index, stage in enumerate(network.stages()):
        if index < part.frozen_stages:
            stage.requires_grad_(False)
    return network


def train_mode(learner: Learner, recipe: Recipe) -> None:
    """Switch to training; the norms of the body stay as they are where the recipe says so."""
    learner.train()
    if recipe.network.frozen_norms:
        for stage in learner.network.stages():
            freeze_norms(stage)
