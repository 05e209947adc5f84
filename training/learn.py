"""One run over split films: the steps of a plan, from its films to ``best.pt`` and ``last.pt``.

A *pass* is one forward and backward of a batch; a *step* changes the weights after
`optimiser.accumulate` passes. Everything random is a function of the seed and the number of the
pass (`training.order`), so a run that was killed goes on to the same weights (``resume=true``).
"""

import hashlib
import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model.networks.backbone import freeze_norms
from model.networks.metadata import mask
from model.networks.pim import Pim
from model.networks.pretrained import load_backbone
from model.networks.published import load_published
from training import losses, order, precision
from training.answers import patients, targets
from training.changes import blend, change
from training.config import RecipeError
from training.examples import Example
from training.geometry import normaliser
from training.keep import Keeper
from training.optimisers import make_optimiser, set_rates
from training.plan import Plan
from training.progress import progress_bar
from training.ranks import Ranks, join, leave, mean, share_norms, wait
from training.splits import data_hash
from training.states import State, load_state, save_state
from training.supply import Supply, prepare, read_examples, stream
from training.tracking import Trackers

logger = logging.getLogger(__name__)

STATE_FILE = "state.pt"
Report = Callable[[int, float], None]


class DivergedError(Exception):
    """The loss is no number any more; nothing was saved since."""


@dataclass
class Run:
    """Everything that one run works with."""

    plan: Plan
    supply: Supply
    ranks: Ranks
    network: Pim
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
        return order.passes_of(len(self.supply.train), self.plan.optimiser.batch)

    @property
    def judged(self) -> Pim:
        """The network that is evaluated and kept: the averaged one where there is one."""
        return self.network if self.averaged is None else cast(Pim, self.averaged.module)


def learn(
    plan: Plan, report: Report | None = None, examples: list[Example] | None = None
) -> tuple[Path, dict[str, Any]]:
    """Run a plan; return the path of ``best.pt`` and the figures of the last evaluation.

    Parameters
    ----------
    plan : Plan
    report : callable, optional
        Called with (epoch, validation figure) after every evaluation; may end the run by raising.
    examples : list of Example, optional
        Films to use instead of the plan's own (a fold).

    Raises
    ------
    DataError, RecipeError, ResumeError
        Before any step.
    DivergedError, SaveError
        In the run; the checkpoints of before are as they were.
    """
    if plan.threads:
        torch.set_num_threads(plan.threads)
    ranks = join()
    try:
        supply = prepare(plan, read_examples(plan) if examples is None else examples)
        run = start(plan, supply, ranks)
        keeper = Keeper(plan, supply, ranks.device)
        kinds = plan.watch.track if ranks.first else ()
        with Trackers(kinds, plan.out, plan.name, plan.public()) as trackers:
            return _epochs(run, keeper, trackers, report)
    finally:
        leave(ranks)


def start(plan: Plan, supply: Supply, ranks: Ranks) -> Run:
    """Build network, optimiser and what belongs to them; resume where the plan says so."""
    torch.manual_seed(plan.seed)
    network = build(plan).to(ranks.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's overloads leave it out
    wrapped: nn.Module = network
    if ranks.count > 1:
        share_norms(network)
        wrapped = DistributedDataParallel(network, find_unused_parameters=True)
    optimiser = make_optimiser(network, plan.optimiser)
    averaged = None
    if plan.optimiser.ema_decay:
        blend = get_ema_multi_avg_fn(plan.optimiser.ema_decay)  # type: ignore[no-untyped-call]  # by torch
        averaged = AveragedModel(network, multi_avg_fn=blend, use_buffers=True)
    dtype = precision.choose(plan.optimiser.precision, ranks.device)
    scaler = precision.scaler_for(dtype, ranks.device)
    run = Run(plan, supply, ranks, network, wrapped, optimiser, averaged, scaler, dtype)
    if plan.resume:
        _restore(run)
    return run


def build(plan: Plan) -> Pim:
    """Build the network with its initial weights, the first stages frozen.

    Raises
    ------
    RecipeError
        The weights cannot be read, or are those of another network.
    """
    network = Pim(plan.pim())
    part = plan.network
    try:
        if part.backbone_weights is not None:
            load_backbone(network.backbone, part.backbone_weights)
        if part.published_weights is not None:
            logger.info("%s", load_published(network, part.published_weights))
    except (OSError, ValueError) as error:
        raise RecipeError(f"initial weights: {error}") from error
    for index, stage in enumerate(network.backbone.stages()):
        if index < part.frozen_stages:
            stage.requires_grad_(False)
    return network


def _epochs(
    run: Run, keeper: Keeper, trackers: Trackers, report: Report | None
) -> tuple[Path, dict[str, Any]]:
    plan, whole = run.plan, run.passes_an_epoch
    last = plan.optimiser.epochs * whole
    figures: dict[str, Any] = {}
    with progress_bar(disable=not run.ranks.first) as bar:
        task = bar.add_task("training", total=last, completed=run.passes, loss="")
        for epoch in range(run.passes // whole, plan.optimiser.epochs):
            loss = _epoch(run, epoch, lambda shown: bar.update(task, advance=1, loss=shown))
            trackers.log(run.passes, {"loss": loss})
            run.history.setdefault("loss", []).append([run.passes, loss])
            if (epoch + 1) % plan.watch.evaluate_every == 0 or epoch + 1 == plan.optimiser.epochs:
                if run.ranks.first:
                    figures, run.best = keeper.keep(run.judged, run.passes, run.best, run.history)
                    trackers.log(run.passes, figures)
                wait(run.ranks)
                if report is not None and run.ranks.first:
                    report(epoch, figures[keeper.chosen_by])
            _save(run)
    return plan.out / "best.pt", figures


def _epoch(run: Run, epoch: int, shown: Callable[[str], None]) -> float:
    """Take the passes of one epoch that are still to do; return the mean loss."""
    plan, films = run.plan, run.supply.train
    run.network.train()
    if plan.network.frozen_norms:
        freeze_norms(run.network.backbone)
    rows = order.epoch_rows(films.examples, plan.data.sampler, plan.seed, epoch)
    parts = order.rank_batches(rows, plan.optimiser.batch, run.ranks.rank, run.ranks.count)
    done = run.passes - epoch * run.passes_an_epoch
    truth, known = targets(films.examples, plan.classes), patients(films.examples)
    seen: list[float] = []
    pictures = stream(films, parts[done:], 0 if plan.data.keep else plan.data.workers)
    for number, (units, part) in enumerate(zip(pictures, parts[done:], strict=True), done):
        label = torch.from_numpy(truth[part])
        group = number - number % plan.optimiser.accumulate
        count = min(plan.optimiser.accumulate, len(parts) - group)
        final = number + 1 == group + count
        seen.append(_pass(run, (units, label, known[part]), count, final))
        run.passes += 1
        shown(f"{seen[-1]:.3f}")
        if final and (run.passes // plan.optimiser.accumulate) % plan.watch.save_every == 0:
            _save(run)
    return sum(seen) / max(1, len(seen))


def _pass(run: Run, batch: tuple[Tensor, Tensor, Tensor], count: int, final: bool) -> float:
    """Forward and backward of one batch, and the step after the last of its group."""
    plan = run.plan
    total = plan.optimiser.epochs * run.passes_an_epoch
    set_rates(run.optimiser, plan.optimiser, run.passes, run.passes_an_epoch)
    generator = order.generator_of(plan.seed, run.passes, run.ranks.rank)
    torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # dropout
    hold: AbstractContextManager[object] = nullcontext()
    if not final and isinstance(run.wrapped, DistributedDataParallel):
        hold = run.wrapped.no_sync()
    with hold:
        loss = batch_loss(run, batch, generator, total)
        shown = mean(loss, run.ranks)
        if not torch.isfinite(torch.tensor(shown)):
            raise DivergedError(
                f"the loss is {shown} in pass {run.passes}; checkpoints of before are kept: "
                "try a smaller optimiser.lr, optimiser.clip=1 or optimiser.precision=float32"
            )
        torch.autograd.backward(run.scaler.scale(loss / count))
    if final:
        _step(run)
    return shown


def batch_loss(
    run: Run, batch: tuple[Tensor, Tensor, Tensor], generator: torch.Generator, total: int
) -> Tensor:
    """Return the loss of one batch: unit pictures [n, side, side], truth [n, classes], patients."""
    plan, (units, truth, known) = run.plan, batch
    units = change(units, plan.network.size, plan.augment, generator)
    units, mixture = blend(units, plan.augment, generator)
    known = mask(known, plan.augment.mask_metadata * run.passes / total, generator)
    image = normaliser(plan.profile())(units).to(run.ranks.device, non_blocking=True)
    label = (truth if plan.task == "multi" else truth.argmax(dim=1)).to(run.ranks.device)
    weights = run.supply.weights.to(run.ranks.device) if plan.data.weighted else None
    with precision.cast_to(run.dtype, run.ranks.device):
        image = image.contiguous(memory_format=torch.channels_last)
        output = run.wrapped(image, known.to(run.ranks.device))

        def weighed(asked: Tensor) -> Tensor:
            terms = losses.pim_terms(output, asked, plan.losses.label_smoothing, weights)
            return losses.total(terms, plan.losses)

        if mixture is None:
            return weighed(label)
        other = label[mixture.partner.to(label.device)]
        return mixture.share * weighed(label) + (1 - mixture.share) * weighed(other)


def _step(run: Run) -> None:
    if run.plan.optimiser.clip is not None:
        run.scaler.unscale_(run.optimiser)
        nn.utils.clip_grad_norm_(run.network.parameters(), run.plan.optimiser.clip)
    run.scaler.step(run.optimiser)
    run.scaler.update()
    run.optimiser.zero_grad(set_to_none=True)
    if run.averaged is not None:
        run.averaged.update_parameters(run.network)


def identity(run: Run) -> str:
    """Sha256 of recipe and data: what a state to resume from must agree with."""
    recipe = {k: v for k, v in run.plan.public().items() if k not in ("resume", "threads", "watch")}
    films = data_hash([*run.supply.train.examples, *run.supply.val.examples])
    return hashlib.sha256(f"{json.dumps(recipe, sort_keys=True)}{films}".encode()).hexdigest()


def _save(run: Run) -> None:
    if run.ranks.first:
        state = State(
            passes=run.passes,
            best=run.best,
            identity=identity(run),
            network=run.network.state_dict(),
            optimiser=run.optimiser.state_dict(),
            averaged=None if run.averaged is None else run.averaged.state_dict(),
            scaler=run.scaler.state_dict(),
            history=run.history,
        )
        save_state(state, run.plan.out / STATE_FILE)


def _restore(run: Run) -> None:
    state = load_state(run.plan.out / STATE_FILE, identity(run))
    run.network.load_state_dict(state.network)
    run.optimiser.load_state_dict(state.optimiser)
    if run.averaged is not None and state.averaged is not None:
        run.averaged.load_state_dict(state.averaged)
    run.scaler.load_state_dict(state.scaler)
    run.passes, run.best, run.history = state.passes, state.best, state.history
    logger.info("going on after pass %d", run.passes)
