"""Several processes, one run: ``torchrun --nproc-per-node 2 -m training.train --config ...``.

Each rank takes its part of every pass. The token norms of PIM see the statistics of all ranks
together, so that two ranks compute what one would; so do, on CUDA, the batch norms of a backbone.
"""

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from typing_extensions import override

from model.networks.pyramid import TokenNorm


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is, and where it computes."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """True in the one process that writes and reports."""
        return self.rank == 0


def join() -> Ranks:
    """Join the other processes that torchrun started; alone without it."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if count > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if cuda else "gloo")
    return Ranks(rank, count, device)


def leave(ranks: Ranks) -> None:
    """Leave the group."""
    if ranks.count > 1:
        distributed.destroy_process_group()


def wait(ranks: Ranks) -> None:
    """Return when every rank has come here."""
    if ranks.count > 1:
        distributed.barrier()


def mean(value: Tensor, ranks: Ranks) -> float:
    """Return the mean of a scalar over all ranks."""
    shared = value.detach().double().clone()
    if ranks.count > 1:
        distributed.all_reduce(shared)
    return float(shared / ranks.count)


class SumOfRanks(torch.autograd.Function):
    """Sum of a tensor over all ranks; the gradient is summed alike."""

    @staticmethod
    @override
    def forward(_: object, mine: Tensor) -> Tensor:
        """Return the sum."""
        whole = mine.clone()
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    @override
    def backward(_: object, gradient: Tensor) -> Tensor:
        """Return the sum of the gradients."""
        whole = gradient.clone()
        distributed.all_reduce(whole)
        return whole


class SharedTokenNorm(TokenNorm):
    """A token norm whose training statistics are those of all ranks; equal parts on each."""

    @override
    def forward(self, tokens: Tensor) -> Tensor:
        """Normalise each channel; the shape stays."""
        if not self.training:
            return super().forward(tokens)
        count = distributed.get_world_size()
        wide = tokens.float()
        moments = torch.stack([wide.mean(dim=(0, 1)), wide.square().mean(dim=(0, 1))])
        summed: Tensor = SumOfRanks.apply(moments)  # type: ignore[no-untyped-call]  # by torch
        middle, square = (summed / count).unbind()
        spread = (square - middle.square()).clamp(min=0)
        self._remember(middle.detach(), spread.detach(), tokens.shape[0] * tokens.shape[1] * count)
        scale = self.weight * torch.rsqrt(spread + self.eps)
        return tokens * scale + (self.bias - middle * scale)

    @torch.no_grad()
    def _remember(self, middle: Tensor, spread: Tensor, seen: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        share = self.momentum or 0.0
        self.num_batches_tracked += 1
        self.running_mean.lerp_(middle, share)
        self.running_var.lerp_(spread * seen / max(1, seen - 1), share)


def share_norms(network: nn.Module) -> None:
    """Let the token norms of a network (on CUDA: every batch norm) see all ranks; in place."""
    for module in network.modules():
        if type(module) is TokenNorm:
            module.__class__ = SharedTokenNorm  # same parameters and buffers, other forward
    if torch.cuda.is_available():
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d):
                    shared = nn.SyncBatchNorm.convert_sync_batchnorm(child)  # type: ignore[no-untyped-call]  # by torch
                    setattr(parent, name, shared)
