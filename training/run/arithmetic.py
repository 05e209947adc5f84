"""Number formats of the forward pass, and the gradient scaler that float16 needs."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.amp import GradScaler

from training.recipe.parsing import RecipeError


def choose(asked: str, device: torch.device) -> torch.dtype | None:
    """Return the format to compute in; None for plain float32.

    Raises
    ------
    RecipeError
        float16 without CUDA: its gradients would vanish.
    """
    if asked == "float32":
        return None
    if asked == "float16":
        if device.type != "cuda":
            raise RecipeError("optimiser.precision: float16 needs a CUDA device; use bfloat16")
        return torch.float16
    if asked == "bfloat16" or _has_bfloat16(device):
        return torch.bfloat16
    return None


def cast_to(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    """Return the context of a forward pass."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def scaler_for(dtype: torch.dtype | None, device: torch.device) -> GradScaler:
    """Return a scaler that does something for float16 only."""
    return GradScaler(device.type, enabled=dtype == torch.float16)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())  # torch has no public question for it
