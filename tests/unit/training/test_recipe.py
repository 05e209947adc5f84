from pathlib import Path

import pytest

from training.config import Recipe, RecipeError

SHIPPED = Path(__file__).parents[3] / "training" / "recipes" / "wrist_demo.yaml"


def test_shipped_recipe_is_valid_and_needs_a_data_root():
    recipe = Recipe.read(SHIPPED, [])
    assert recipe.data.root is None
    assert recipe.pim().classes == ("no_finding", "fracture")


def test_words_replace_single_values():
    recipe = Recipe.read(SHIPPED, ["optimiser.steps=7", "data.root=/films", "data.fold=1"])
    assert (recipe.optimiser.steps, recipe.data.root, recipe.data.fold) == (7, Path("/films"), 1)


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
        Recipe.read(SHIPPED, [word])


def test_paths_of_the_machine_stay_out_of_the_checkpoint():
    recipe = Recipe.read(SHIPPED, ["data.root=/secret", "backbone_weights=/secret/w.pt"])
    assert "secret" not in str(recipe.public())
