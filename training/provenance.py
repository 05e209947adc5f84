"""Where weights come from: commit, data, seed, versions, device."""

import subprocess
from pathlib import Path

import torch

from training.plan import Plan
from training.splits import data_hash, overlaps
from training.supply import Supply


def provenance(plan: Plan, supply: Supply, device: torch.device) -> dict[str, str]:
    """Return what a checkpoint records of a run."""
    examples = [*supply.train.examples, *supply.val.examples]
    leaks = overlaps(examples)
    return {
        "recipe": f"{plan.name} {plan.version}",
        "commit": commit(),
        "data_sha256": data_hash(examples),
        "overlap": ", ".join(f"{count} {kind}" for kind, count in leaks.items()) or "none",
        "seed": str(plan.seed),
        "torch": str(torch.__version__),
        "films": f"{len(supply.train)} to train on, {len(supply.val)} to judge by",
        "device": str(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()}",
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
