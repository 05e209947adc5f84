"""Every kind of network is trained, resumed, exported, and read by the daemon's own session."""

from pathlib import Path

import numpy as np
import pytest
import torch

from daemon.reading.device.sessions import LandmarkSession, Session
from export.options import Options
from export.trace import export_checkpoint
from model import checkpoint
from model.gradcam import PREDICTED
from model.landmarks import LandmarkManifest, LandmarkPackage
from model.networks.registry import KINDS
from model.package import load_package
from model.verified import read_verified
from tests.support.films import KINDS as FILM_KINDS
from tests.support.films import write_films
from training.recipe import Recipe
from training.train import train

pytestmark = [pytest.mark.no_cover, pytest.mark.long]

SINGLE = {"task": "single", "classes": list(FILM_KINDS)}
MULTI = {"task": "multi", "classes": ["fracture", "metal"]}
BINARY = {"task": "binary", "classes": ["fracture"]}
LANDMARKS = {"task": "landmarks", "classes": []}
PIM = {"backbone": "test_resnet", "width": 16, "upsampling": "bilinear", "head": "average"}

NETWORKS = {
    "pim": ({"kind": "pim", **PIM}, SINGLE),
    "classifier": ({"kind": "classifier", "backbone": "resnet10t"}, MULTI),
    "seresnet": ({"kind": "seresnet", "backbone": "legacy_seresnet18"}, SINGLE),
    "resnet": ({"kind": "resnet", "backbone": "resnet18"}, BINARY),
    "vgg": ({"kind": "vgg", "backbone": "vgg11"}, SINGLE),
    "densenet": ({"kind": "densenet", "backbone": "densenet121"}, SINGLE),
    "regnet": ({"kind": "regnet", "backbone": "regnet_x_400mf"}, BINARY),
    "vit": ({"kind": "vit", "backbone": "test_vit"}, MULTI),
    "hourglass": ({"kind": "hourglass", "width": 8, "depth": 3}, LANDMARKS),
}


def with_landmarks(path: Path) -> None:
    """Give every film of a manifest three places."""
    head, *rows = path.read_text().splitlines()
    placed = [f"{row},10 12;30 40;50.5 70" for row in rows]
    path.write_text("\n".join([f"{head},landmarks", *placed]) + "\n")


def films_for(root: Path, task: str) -> Path:
    path = write_films(root, train=12, val=6)
    if task == "landmarks":
        with_landmarks(path)
    if task == "binary":
        path.write_text(path.read_text().replace(",metal,", ",,"))
    return path


def recipe_of(root: Path, kind: str, **changes: object) -> Recipe:
    network, task = NETWORKS[kind]
    tree = {
        "name": f"tiny-{kind}",
        "out": str(root / "out"),
        "threads": 1,
        **task,
        "data": {"manifest": str(root / "films.csv")},
        "network": {"size": 64, **network},
        "losses": {"dropped": 0.2},
        "optimiser": {"name": "sgd", "momentum": 0, "lr": 1e-3, "steps": 3, "batch": 6,
                      "accumulate": 1, "warmup": 1},  # SGD: a state without moments is small
        "augment": {"rotation_deg": 5, "blur": 0, "sharpen": 0},
        "watch": {"track": [], "save_every": 2},
    }  # fmt: skip
    return Recipe.check(tree | changes, "test")


def test_every_kind_is_tried():
    assert set(NETWORKS) == set(KINDS)


LARGE = {"vgg"}
"""Half a gigabyte of weights, written five times: in `make soak`."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in LARGE)) for kind in KINDS]
)
def test_kind_is_trained_resumed_exported_and_read_by_the_daemon(kind, tmp_path):
    films_for(tmp_path, NETWORKS[kind][1]["task"])
    whole, figures = train(recipe_of(tmp_path, kind))
    assert figures["films" if kind != "hourglass" else "mean_distance"] >= 0
    tried = recipe_of(tmp_path, kind, out=str(tmp_path / "again"), seed=0)
    interrupt(tried)
    again, _ = train(tried.model_copy(update={"resume": True}))
    one, two = (checkpoint.load(path.parent / "last.pt").weights for path in (whole, again))
    assert all(torch.equal(one[name], two[name]) for name in one)
    export_checkpoint(checkpoint.load(whole), tmp_path / "package", None, Options())
    read_by_the_daemon(tmp_path / "package", whole, kind)


class Stop(Exception):
    """Ends a run after its first epoch."""


def interrupt(recipe: Recipe) -> None:
    """Run two of three steps and end, as a kill would: the state of the last step stays."""

    def stop(*_: object) -> None:
        raise Stop

    with pytest.raises(Stop):
        train(recipe, report=stop)
    assert (recipe.out / "state.pt").exists()


def read_by_the_daemon(folder: Path, trained: Path, kind: str) -> None:
    image = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    nobody = np.full(2, PREDICTED)
    network = checkpoint.load(trained).build()
    with torch.no_grad():
        answer = network(torch.from_numpy(image))
    if kind == "hourglass":
        manifest, digest = read_verified(folder, LandmarkManifest)
        session = LandmarkSession(LandmarkPackage(folder, manifest, digest), "cpu", 1)
        assert np.allclose(session.run(image, nobody).found, answer.numpy(), atol=2e-3)
        return
    output = Session(load_package(folder), "cpu", 1).run(image, nobody)
    logits = answer if isinstance(answer, torch.Tensor) else answer.logits
    assert np.allclose(output.logits, logits.numpy(), atol=2e-3)
