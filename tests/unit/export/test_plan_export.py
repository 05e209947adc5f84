from pathlib import Path

import numpy as np
import pytest

from export.options import Options
from export.trace import export_checkpoint
from model import checkpoint
from model.package import load_package
from tests.support.films import recipe_tree, write_films
from training.data.examples import read_manifest
from training.judging.subject import load_subject
from training.recipe import Recipe
from training.train import train

pytestmark = pytest.mark.long

CARD = Path(__file__).parents[3] / "training" / "recipes" / "wrist_product_card.md"


def test_several_findings_are_exported_and_answer_as_the_checkpoint(tmp_path):
    films = read_manifest(write_films(tmp_path))
    tree = recipe_tree(
        tmp_path,
        task="multi",
        classes=["fracture", "metal"],
        network__metadata=True,
        network__head="average",
        optimiser__epochs=1,
        package={"cam_layer": "level2"},
    )
    best, _ = train(Recipe.check(tree, "test"))
    export_checkpoint(checkpoint.load(best), tmp_path / "package", CARD, Options())
    manifest = load_package(tmp_path / "package").manifest
    assert [finding.name for finding in manifest.findings] == ["fracture", "metal"]
    assert (manifest.activation, manifest.gate, manifest.golden.gate) == ("sigmoid", None, None)
    assert "mean AUROC" in (load_package(tmp_path / "package").folder / "CARD.md").read_text()
    package = load_subject(tmp_path / "package").answer(films[:4]).logits
    unknown = checkpoint.load(best).build()
    assert unknown.config.metadata
    from dataclasses import replace

    anonymous = [replace(film, age=None, sex="") for film in films[:4]]
    again = load_subject(best).answer(anonymous).logits
    assert np.allclose(package, again, atol=2e-3)
