from pathlib import Path

import pytest

from training.recipe import Recipe
from training.recipe.parsing import RecipeError
from training.train import main

RECIPES = Path(__file__).parents[3] / "training" / "recipes"
SHIPPED = RECIPES / "wrist_demo.yaml"


FILES = ["data.manifest=films.csv", "gate.refuse=chests.csv"]


def test_shipped_recipe_is_valid_and_needs_its_films():
    recipe = Recipe.read(SHIPPED, FILES)
    assert recipe.configuration().classes == ("no_finding", "fracture")
    with pytest.raises(RecipeError, match=r"gate\.refuse"):
        Recipe.read(SHIPPED, FILES[:1])


def test_words_replace_single_values():
    recipe = Recipe.read(SHIPPED, [*FILES, "optimiser.steps=7", "data.fold=1"])
    assert (recipe.optimiser.steps, recipe.data.fold) == (7, 1)
    assert recipe.data.manifest == Path("films.csv")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        pytest.param("optimiser.stesp=7", "optimiser.stesp", id="misspelt key"),
        pytest.param("optimiser.steps=many", "optimiser.steps", id="wrong type"),
        pytest.param("optimiser.steps", "write key=value", id="no value"),
        pytest.param("name.first=x", "name is a value", id="value taken for a section"),
    ],
)
def test_wrong_word_is_refused_with_its_key(word, message):
    with pytest.raises(RecipeError, match=message):
        Recipe.read(SHIPPED, [*FILES, word])


def test_paths_of_the_machine_stay_out_of_the_checkpoint():
    recipe = Recipe.read(
        SHIPPED,
        ["data.manifest=/secret/a.csv", "gate.refuse=/secret", "network.weights=/secret/w.pt"],
    )
    assert "secret" not in str(recipe.public())


def test_recipe_extends_another_key_by_key(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "name: a\nout: runs/a\nclasses: [no_finding, fracture]\n"
        "data: {manifest: x.csv, val: test}\n"
        "network: {backbone: test_resnet, size: 64}\n"
    )
    (tmp_path / "own.yaml").write_text("extends: base.yaml\nname: b\ndata: {val: held}\n")
    recipe = Recipe.read(tmp_path / "own.yaml", [])
    assert (recipe.name, recipe.data.val, recipe.data.manifest) == ("b", "held", Path("x.csv"))
    assert recipe.out == Path("runs/a")


def test_recipes_that_extend_each_other_are_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(RecipeError, match="extends itself"):
        Recipe.read(tmp_path / "a.yaml", [])


def test_recipe_of_the_old_form_is_told_how_to_write_it_now(tmp_path):
    old = tmp_path / "old.yaml"
    old.write_text("trainer: split\nnetwork: {backbone_weights: w.pt}\naugment: {films: {}}\n")
    with pytest.raises(RecipeError, match=r"remove the line.*network\.weights.*coarsen"):
        Recipe.read(old, [])


def test_every_unknown_key_is_named_at_once():
    with pytest.raises(
        RecipeError, match=r"data\.splitt: unknown key; optimiser\.stesp: unknown key"
    ):
        Recipe.read(SHIPPED, [*FILES, "optimiser.stesp=1", "data.splitt=2"])


def test_help_names_every_key_with_its_meaning(capsys):
    assert main(["--help-recipe"]) == 0
    lines = capsys.readouterr().out.splitlines()
    keys = [line for line in lines if line and not line.endswith(":")]
    bare = [line for line in keys if "." in line.split()[0] and len(line.split()) < 3]
    assert bare == []
    assert any(line.startswith("optimiser.accumulate") for line in lines)
    assert any(line.startswith("network.upsampling") for line in lines)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_validates(path):
    if path.stem.endswith("variants"):
        pytest.skip("a list of variants")
    words = [*FILES] if path.stem == "wrist_demo" else FILES[:1]
    assert Recipe.read(path, words).name
