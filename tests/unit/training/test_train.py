import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from model import checkpoint
from tests.support.films import recipe_tree, write_films
from training.data.films import Films
from training.data.supply import read_examples
from training.judging.responses import answer_films
from training.recipe import Recipe
from training.recipe.parsing import RecipeError
from training.run.building import build
from training.run.resuming import ResumeError, SaveError, load_state, write_whole
from training.train import DivergedError, train

ROOT = Path(__file__).parents[3]
DEADLINE = 300


@pytest.fixture
def films(tmp_path: Path) -> Path:
    write_films(tmp_path)
    return tmp_path


def recipe_of(root: Path, **changes: object) -> Recipe:
    return Recipe.check(recipe_tree(root, **changes), "test")


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(path).weights


def same(left: Path, right: Path) -> bool:
    a, b = weights(left), weights(right)
    return all(torch.equal(a[name], b[name]) for name in a)


def test_run_leaves_checkpoints_that_say_where_they_come_from(films):
    best, figures = train(recipe_of(films))
    stored = checkpoint.load(best)
    assert {"accuracy", "mean_auroc", "findings"} <= set(figures)
    assert stored.network["classes"] == ["no_finding", "fracture", "metal"]
    assert len(stored.provenance["data_sha256"]) == 64
    assert {"commit", "seed", "films"} <= set(stored.provenance)
    assert "fracture.high_sensitivity" in stored.decision
    assert (films / "out" / "last.pt").exists()
    assert (films / "out" / "curves.png").stat().st_size > 1000


@pytest.mark.long
def test_kind_of_film_is_learnt(films):
    changes = {"optimiser__epochs": 20, "optimiser__lr": 3e-3, "optimiser__accumulate": 1}
    _, figures = train(recipe_of(films, watch__evaluate_every=20, **changes))
    assert figures["mean_auroc"] > 0.9


@pytest.mark.long
def test_same_seed_gives_the_same_weights_and_another_seed_others(films):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(recipe_of(films, out=str(films / name), seed=seed, optimiser__epochs=1))
    assert same(films / "a" / "last.pt", films / "b" / "last.pt")
    assert not same(films / "a" / "last.pt", films / "c" / "last.pt")


def test_two_passes_of_half_a_batch_make_the_step_of_a_whole_one(films):
    fixed = {
        "optimiser__epochs": 1,
        "network__dropout": 0.0,
        "network__frozen_norms": True,
        "network__head": "pooled",
        "augment__flip": 0.0,
        "augment__blur": 0.0,
        "augment__sharpen": 0.0,
        "optimiser__name": "sgd",
        "optimiser__warmup": 0,
        "optimiser__precision": "float32",
    }
    train(recipe_of(films, out=str(films / "a"), optimiser__batch=24, optimiser__accumulate=1,
                  **fixed))  # fmt: skip
    halves = {"optimiser__batch": 12, "optimiser__accumulate": 2}
    train(recipe_of(films, out=str(films / "b"), **halves, **fixed))
    whole, halved = weights(films / "a" / "last.pt"), weights(films / "b" / "last.pt")
    start = build(recipe_of(films, **fixed)).state_dict()
    name = "classify.weight"
    moved = (whole[name] - start[name]).flatten()
    also = (halved[name] - start[name]).flatten()
    assert torch.cosine_similarity(moved, also, dim=0) > 0.999


@pytest.mark.long
def test_killed_run_goes_on_to_the_same_weights(films):
    long = {"optimiser__epochs": 6, "watch__save_every": 1, "optimiser__ema_decay": 0.9}
    train(recipe_of(films, out=str(films / "whole"), **long))
    config = films / "killed.yaml"
    config.write_text(yaml.safe_dump(recipe_tree(films, out=str(films / "killed"), **long)))
    command = [sys.executable, "-m", "training.train", "--config", str(config)]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    state = films / "killed" / "state.pt"
    try:
        while not state.exists():
            with pytest.raises(subprocess.TimeoutExpired):  # else it ended too early
                running.wait(timeout=0.02)
        running.send_signal(signal.SIGKILL)
    finally:
        running.kill()
        assert running.wait(timeout=DEADLINE) == -signal.SIGKILL
    passes = load_state(state, torch.load(state, weights_only=True)["identity"]).passes
    assert 0 < passes < 6 * 4
    done = subprocess.run(
        [*command, "resume=true"], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=DEADLINE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"going on after pass {passes}" in done.stderr
    assert same(films / "whole" / "last.pt", films / "killed" / "last.pt")


def test_state_of_another_recipe_is_not_resumed(films):
    train(recipe_of(films, optimiser__epochs=1))
    with pytest.raises(ResumeError, match="another recipe"):
        train(recipe_of(films, optimiser__epochs=1, resume=True, optimiser__lr=0.5))


def test_loss_that_is_no_number_ends_the_run_and_keeps_the_good_checkpoint(films):
    best, _ = train(recipe_of(films, optimiser__epochs=1))
    before = best.read_bytes()
    with pytest.raises(DivergedError, match=r"try a smaller optimiser\.lr"):
        train(recipe_of(films, optimiser__name="sgd", optimiser__lr=1e30, optimiser__warmup=0,
                      optimiser__accumulate=1))  # fmt: skip
    assert best.read_bytes() == before


FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from training.run.resuming import SaveError, write_whole
path = Path(sys.argv[1])
write_whole({"good": torch.zeros(10)}, path)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    write_whole({"large": torch.zeros(100000)}, path)
except SaveError as error:
    sys.exit(0 if "kept" in str(error) else 3)
sys.exit(4)
"""


@pytest.mark.long
def test_full_disk_is_a_clear_error_and_the_file_before_stays(tmp_path):
    path = tmp_path / "state.pt"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 0
    assert list(torch.load(path, weights_only=True)) == ["good"]
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "state.pt").mkdir()
    with pytest.raises(SaveError, match="not saved"):
        write_whole({}, tmp_path / "state.pt")


@pytest.mark.parametrize("part", ["pyramid", "selection", "combiner"])
def test_every_part_can_be_left_out(films, part):
    changes = {f"network__{part}": False, "optimiser__epochs": 1, "network__head": "average"}
    train(recipe_of(films, **changes))


def test_all_options_of_a_step_together(films):
    train(
        recipe_of(
            films,
            task="multi",
            classes=["fracture", "metal"],
            network__metadata=True,
            data__sampler="balanced",
            data__geometry="legacy_510_384",
            augment__mixup=0.4,
            augment__randaugment=2,
            augment__rotation_deg=10,
            augment__gamma=0.3,
            optimiser__ema_decay=0.9,
            optimiser__name="lion",
            optimiser__precision="bfloat16",
            optimiser__clip=1.0,
            optimiser__epochs=1,
            watch__track=["tensorboard"],
        )
    )
    assert list((films / "out" / "tensorboard").iterdir())


def test_answer_with_unknown_patient_differs_from_known_once_the_branch_has_learnt(films):
    recipe = recipe_of(films, network__metadata=True)
    network = build(recipe).eval()
    image = torch.randn(2, 3, 64, 64)
    known = torch.tensor([[0.5, 1, 1, 1], [0.2, 1, -1, 1.0]])
    assert torch.equal(network(image).logits, network(image, known).logits)
    torch.nn.init.normal_(network.patient.out.weight)
    assert not torch.equal(network(image).logits, network(image, known).logits)
    assert torch.equal(network(image).logits, network(image, torch.zeros(2, 4)).logits)


def test_float16_without_cuda_is_refused_before_the_first_step(films):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(RecipeError, match="float16 needs a CUDA device"):
        train(recipe_of(films, optimiser__precision="float16"))


@pytest.mark.long
def test_two_ranks_have_the_loss_of_one(films):
    fixed = {
        "network__backbone": "test_vit",
        "network__dropout": 0.0,
        "network__upsampling": "tokens",
        "augment__flip": 0.0,
        "augment__blur": 0.0,
        "augment__sharpen": 0.0,
        "optimiser__precision": "float32",
        "optimiser__epochs": 1,
        "optimiser__accumulate": 1,
    }
    losses = []
    for name, ranks in (("one", 1), ("two", 2)):
        config = films / f"{name}.yaml"
        config.write_text(yaml.safe_dump(recipe_tree(films, out=str(films / name), **fixed)))
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
        done = subprocess.run(
            [sys.executable, *torchrun, "-m", "training.train", "--config", str(config)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, done.stderr
        history = torch.load(films / name / "state.pt", weights_only=True)["history"]
        losses.append(history["loss"][0][1])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_middle_crop_of_the_legacy_geometry_is_what_is_judged(films):
    recipe = recipe_of(films, data__geometry="legacy_510_384")
    examples = read_examples(recipe)[:3]
    films_in = Films(examples, "legacy_510_384", recipe.profile(), keep=True)
    assert films_in[0].shape == (85, 85)
    answers = answer_films(build(recipe), films_in)
    assert answers.logits.shape == (3, 3)
    assert np.isfinite(answers.logits).all()
