"""A run in memory: network, optimiser and what belongs to them; its state on disk."""

import hashlib
import json
import logging
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model.networks.registry import Network
from training.data import draw
from training.data.splits import data_hash
from training.data.supply import Supply
from training.recipe import Recipe
from training.run import arithmetic
from training.run.building import build
from training.run.learner import Learner
from training.run.optimisers import make_optimiser
from training.run.ranks import Ranks, share_norms
from training.run.resuming import State, load_state, save_state

logger = logging.getLogger(__name__)

STATE_FILE = "state.pt"


@dataclass
class Run:
    """Everything that one run works with; `wrapped` is the learner, shared by all ranks."""

    recipe: Recipe
    supply: Supply
    ranks: Ranks
    learner: Learner
    wrapped: nn.Module
    optimiser: Optimizer
    averaged: AveragedModel | None
    scaler: torch.amp.GradScaler
    dtype: torch.dtype | None
    passes: int = 0
    best: float = float("-inf")
    history: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def passes_an_epoch(self) -> int:
        """Passes of one epoch."""
        return draw.passes_of(len(self.supply.train), self.recipe.optimiser.batch)

    @property
    def total(self) -> int:
        """Passes of the run."""
        section = self.recipe.optimiser
        if section.steps is not None:
            return section.steps * section.accumulate
        return section.epochs * self.passes_an_epoch

    @property
    def judged(self) -> Network:
        """The network that is evaluated and kept: the averaged one where there is one."""
        learner = self.learner if self.averaged is None else cast(Learner, self.averaged.module)
        return learner.network


def start(recipe: Recipe, supply: Supply, ranks: Ranks, network: Network | None = None) -> Run:
    """Build network, optimiser and what belongs to them; resume where the recipe says so.

    Raises
    ------
    RecipeError, ResumeError
        Initial weights, or the state to go on from, are not of this recipe.
    """
    torch.manual_seed(recipe.seed)
    network = build(recipe) if network is None else network
    weights = supply.weights if recipe.data.weighted else None
    heads = {name: int(values.max()) + 1 for name, values in supply.auxiliary.items()}
    learner = Learner(recipe, network, weights, heads).to(ranks.device)
    learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's overloads leave it out
    wrapped: nn.Module = learner
    if ranks.count > 1:
        share_norms(learner)
        wrapped = DistributedDataParallel(learner, find_unused_parameters=True)
    optimiser = make_optimiser(learner, network.backbone_parameters(), recipe.optimiser)
    averaged = None
    if recipe.optimiser.ema_decay:
        blend = get_ema_multi_avg_fn(recipe.optimiser.ema_decay)  # type: ignore[no-untyped-call]  # by torch
        averaged = AveragedModel(learner, multi_avg_fn=blend, use_buffers=True)
    dtype = arithmetic.choose(recipe.optimiser.precision, ranks.device)
    scaler = arithmetic.scaler_for(dtype, ranks.device)
    run = Run(recipe, supply, ranks, learner, wrapped, optimiser, averaged, scaler, dtype)
    if recipe.resume:
        _restore(run)
    return run


def identity(run: Run) -> str:
    """Sha256 of recipe and data: what a state to resume from must agree with."""
    passing = ("resume", "threads", "watch")
    recipe = {k: v for k, v in run.recipe.public().items() if k not in passing}
    films = data_hash([*run.supply.train.examples, *run.supply.val.examples])
    return hashlib.sha256(f"{json.dumps(recipe, sort_keys=True)}{films}".encode()).hexdigest()


def save(run: Run) -> None:
    """Write the state of a run, in the one process that writes.

    Raises
    ------
    SaveError
        It could not be written; the one before is kept.
    """
    if run.ranks.first:
        state = State(
            passes=run.passes,
            best=run.best,
            identity=identity(run),
            network=run.learner.state_dict(),
            optimiser=run.optimiser.state_dict(),
            averaged=None if run.averaged is None else run.averaged.state_dict(),
            scaler=run.scaler.state_dict(),
            history=run.history,
        )
        save_state(state, run.recipe.out / STATE_FILE)


def _restore(run: Run) -> None:
    state = load_state(run.recipe.out / STATE_FILE, identity(run))
    run.learner.load_state_dict(state.network)
    run.optimiser.load_state_dict(state.optimiser)
    if run.averaged is not None and state.averaged is not None:
        run.averaged.load_state_dict(state.averaged)
    run.scaler.load_state_dict(state.scaler)
    run.passes, run.best, run.history = state.passes, state.best, state.history
    logger.info("going on after pass %d", run.passes)
