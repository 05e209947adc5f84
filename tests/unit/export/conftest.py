"""One small network traced once, for every test of the gate."""

from pathlib import Path

import pytest
import torch

from export.graph import write_graph
from model.checkpoint import Checkpoint
from model.gradcam import GradCam
from model.networks.pim import Pim, PimConfig
from training.recipe.sections import PackageSection

SIZE = 64
CONFIG = PimConfig(
    backbone="test_resnet",
    size=SIZE,
    width=16,
    upsampling="bilinear",
    head="average",
    classes=("no_finding", "fracture"),
)
DECISION = {"temperature": 1.5, "high_sensitivity": 0.2, "high_specificity": 0.7}


@pytest.fixture(scope="session")
def network() -> Pim:
    torch.manual_seed(1)
    return Pim(CONFIG).eval()


@pytest.fixture(scope="session")
def graph(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graph(GradCam(network, "level2"), SIZE, path)
    return path


def checkpoint_of(network, /, **changes) -> Checkpoint:
    recipe = {"name": "tiny", "version": "1", "package": PackageSection().model_dump(mode="json")}
    fields = {
        "network": network.config.model_dump(mode="json"),
        "pixels": {"size": network.config.size},
        "weights": network.state_dict(),
        "recipe": recipe,
        "provenance": {"commit": "uncommitted", "seed": "1"},
        "decision": DECISION,
    }
    return Checkpoint(**(fields | changes))
