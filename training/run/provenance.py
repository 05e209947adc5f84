"""Where weights come from: commit, data, seed, versions, device."""

import subprocess
from pathlib import Path

import torch

from training.data.splits import data_hash, overlaps
from training.data.supply import Supply
from training.recipe import Recipe


def provenance(recipe: Recipe, supply: Supply, device: torch.device) -> dict[str, str]:
    """Return what a checkpoint records of a run."""
    examples = [*supply.train.examples, *supply.val.examples]
    leaks = overlaps(examples)
    return {
        "recipe": f"{recipe.name} {recipe.version}",
        "commit": commit(),
        "data_sha256": data_hash(examples),
        "overlap": ", ".join(f"{count} {kind}" for kind, count in leaks.items()) or "none",
        "seed": str(recipe.seed),
        "torch": str(torch.__version__),
        "films": f"{len(supply.train)} to train on, {len(supply.val)} to judge by",
        "device": str(device)
        if device.type == "cuda"
        else f"CPU, {torch.get_num_threads()} threads",
    }


def commit() -> str:
    """Return the commit of the code that runs, or "uncommitted"."""
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return git.stdout.strip() if git.returncode == 0 else "uncommitted"
