"""Write a package of a network as large as the papers', with drawn weights, through export's gate.

    python -m tests.benchmarks.heavy BACKBONE SIZE FOLDER

For `tests.benchmarks.backlog --package FOLDER`: its answers mean nothing, its speed does.
"""

import sys
import tempfile
from pathlib import Path

import torch

from export import onnx as export_onnx
from model import checkpoint
from model.networks.pim import Pim
from tests.benchmarks.engines import config_of
from training.recipe.sections import PackageSection

POINTS = {"temperature": 1.0, "high_sensitivity": 0.2, "high_specificity": 0.7}


def main(backbone: str, size: int, folder: Path) -> int:
    """Draw, store and export; the exit status is export's."""
    torch.manual_seed(1)
    network = Pim(config_of(backbone, size))
    stored = checkpoint.Checkpoint(
        network=network.config.model_dump(mode="json"),
        pixels={"size": size},
        weights=network.state_dict(),
        recipe={
            "name": "heavy",
            "version": "1",
            "package": PackageSection().model_dump(mode="json"),
        },
        provenance={"weights": "drawn, seed 1"},
        decision=POINTS,
    )
    del network
    with tempfile.TemporaryDirectory() as place:
        checkpoint.save(stored, Path(place) / "checkpoint.pt")
        (Path(place) / "card.md").write_text("$name: drawn weights, for its speed only\n")
        words = [f"{place}/checkpoint.pt", "--card", f"{place}/card.md", "--out", str(folder)]
        return export_onnx.main(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
