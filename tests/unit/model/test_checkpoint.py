import pytest
import torch

from model import checkpoint
from model.checkpoint import Checkpoint
from model.networks.pim import Pim, PimConfig
from model.networks.pretrained import load_backbone

CONFIG = PimConfig(
    backbone="test_resnet",
    size=64,
    width=16,
    upsampling="bilinear",
    classes=("no_finding", "metal"),
)


def stored(network: Pim) -> Checkpoint:
    return Checkpoint(
        network=CONFIG.model_dump(mode="json"),
        pixels={"size": 64},
        weights=network.state_dict(),
        recipe={},
        provenance={"commit": "uncommitted"},
    )


def test_checkpoint_builds_the_same_network_again(tmp_path):
    network = Pim(CONFIG).eval()
    checkpoint.save(stored(network), tmp_path / "run" / "checkpoint.pt")
    again = checkpoint.load(tmp_path / "run" / "checkpoint.pt").build()
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(network(image).logits, again(image).logits)


def test_nothing_is_left_beside_a_checkpoint_whether_it_was_written_or_not(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(stored(Pim(CONFIG)), path)
    before = path.read_bytes()
    broken = Checkpoint({}, {}, {}, {}, provenance={"function": lambda: None})  # not storable
    with pytest.raises(Exception, match="pickle"):
        checkpoint.save(broken, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_file_of_another_kind_is_refused(tmp_path):
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoint.load(tmp_path / "other.pt")


def test_initial_weights_are_matched_by_order_and_shape(tmp_path):
    source, goal = Pim(CONFIG).backbone, Pim(CONFIG).backbone
    renamed = {f"other.{i}": t for i, t in enumerate(source.state_dict().values()) if t.dim()}
    torch.save(renamed | {"classifier": torch.zeros(3)}, tmp_path / "w.pt")
    load_backbone(goal, tmp_path / "w.pt")
    assert all(
        torch.equal(a, b) for a, b in zip(source.parameters(), goal.parameters(), strict=True)
    )


def test_initial_weights_of_another_network_are_refused(tmp_path):
    backbone = Pim(CONFIG).backbone
    torch.save({k: torch.zeros(2) for k in backbone.state_dict()}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match="another network"):
        load_backbone(backbone, tmp_path / "w.pt")
