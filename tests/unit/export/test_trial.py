"""The parity gate fails when it must."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.parity import ParityError, differences, insist, of_graph, of_network, of_oracle
from export.pictures import FilmsError, adversarial, drawn, read_films, tied
from export.task import auroc, draw
from export.trial import Trial
from model.gradcam import GradCam
from model.package import FindingSpec
from model.pixels import PixelProfile
from model.tolerances import LIMITS, compared
from tests.unit.export.conftest import SIZE

pytestmark = pytest.mark.long

FRACTURE = FindingSpec(name="fracture", class_index=1, high_sensitivity=0.2, high_specificity=0.7)


def trial(network, layer="level2") -> Trial:
    cam = GradCam(network, layer)
    return Trial(
        reference=of_network(cam),
        oracle=of_oracle(cam),
        against="PyTorch",
        profile=PixelProfile(size=SIZE),
        classes=2,
        activation="softmax",
        findings=(FRACTURE,),
        precision="fp32",
    )


def changed(graph, folder, change):
    """Return a copy of the graph whose weights went through `change(name, array)`."""
    model = onnx.load(graph)
    for tensor in model.graph.initializer:
        array = change(tensor.name, numpy_helper.to_array(tensor))
        if array is not None:
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, folder / "changed.onnx")
    return folder / "changed.onnx"


def test_graph_passes_on_smooth_and_on_adversarial_pictures(network, graph):
    found, report = trial(network).judge(of_graph(graph))
    assert found["cam_oracle"] <= 1e-4
    assert found["tied_cam_oracle"] <= 1e-4  # of so small a network
    assert report.pictures == 1 + 4 + 1 + len(adversarial(SIZE))


def test_one_changed_weight_is_caught(network, graph, tmp_path):
    seen = []

    def nudge(name, array):
        if array.dtype != np.float32 or array.ndim != 4 or seen:
            return None
        seen.append(name)
        moved = array.copy()
        moved.flat[np.abs(moved).argmax()] *= 1.5
        return moved

    with pytest.raises(ParityError, match="differs by"):
        trial(network).judge(of_graph(changed(graph, tmp_path, nudge)))
    assert seen


def test_swapped_class_order_is_caught(network, graph):
    answer = of_graph(graph)

    def swapped(image, target):
        given = answer(image, 1 - target)
        return given | {"logits": given["logits"][:, ::-1].copy()}

    with pytest.raises(ParityError, match="logits differs by"):
        trial(network).judge(swapped)


def test_map_of_the_other_class_is_caught(network, graph):
    answer = of_graph(graph)
    with pytest.raises(ParityError, match=r"^cam differs by .*; cam_oracle differs by"):
        trial(network).judge(lambda image, target: answer(image, 1 - target))


def test_wrong_layer_of_the_same_grid_is_caught(network):
    wrong = GradCam(network, "classifiers.1.0")  # behind level2, as large, before its norm
    assert wrong.grid == GradCam(network, "level2").grid
    with pytest.raises(ParityError, match="cam_oracle differs by"):
        trial(network).judge(of_network(wrong))


def test_difference_that_is_no_number_does_not_pass():
    with pytest.raises(ParityError, match="gate differs by nan"):
        insist({"logits": 0.0, "cam": 0.0, "gate": float("nan")}, "fp32", "PyTorch")


def test_nothing_compared_does_not_pass():
    with pytest.raises(ParityError, match="no parity results"):
        insist({}, "fp32", "PyTorch")


def test_a_refusal_names_who_was_compared_with_whom_on_which_pictures():
    found = {"logits": 0.0, "cam": 0.0, "film_cam_oracle": 0.5, "tied_gate": 0.5, "landmarks": 1}
    with pytest.raises(ParityError) as raised:
        insist(found, "fp32", "PyTorch 2")
    film, tie, places, reference = str(raised.value).split("; ")
    assert film.startswith("film_cam_oracle differs by 5.00e-01, allowed 1e-03 (")
    assert "the graph's maps against pytorch-grad-cam's, on real films" in film
    assert "the graph's body-part gate against the reference's, on adversarial pictures" in tie
    assert "the graph's landmarks against the reference's, on drawn and adversarial" in places
    assert reference == "the reference is PyTorch 2"


@pytest.mark.parametrize("precision", LIMITS)
def test_every_figure_has_words(precision):
    assert len({compared(name) for name in LIMITS[precision]}) == len(LIMITS[precision])


def test_map_that_is_no_number_stays_none():
    ours = {"cam": np.full((1, 2, 2), np.nan, np.float32), "cam_2": np.ones((1, 2, 2), np.float32)}
    theirs = {"cam": np.ones((1, 2, 2), np.float32), "cam_2": np.ones((1, 2, 2), np.float32)}
    assert np.isnan(differences(ours, theirs, "softmax")["cam"])


def test_adversarial_pictures_are_finite_inputs():
    odd = tied(PixelProfile(size=SIZE))
    assert odd.shape[1:] == (3, SIZE, SIZE)
    assert np.isfinite(odd).all()
    tiles = adversarial(SIZE)["tiles"]
    assert np.array_equal(tiles[:32, :32], tiles[32:, 32:])


def test_auroc_is_the_share_of_pairs_in_order_and_draws_keep_groups_together():
    scores = np.array([0.1, 0.4, 0.4, 0.8])
    positive = np.array([False, True, False, True])
    weights = draw(["a", "a", "b", "b"], 50)
    assert auroc(scores, positive, weights)[0] == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert np.array_equal(weights[:, 0], weights[:, 1])


def test_loss_of_auroc_beyond_chance_is_refused(network, tmp_path):
    """A reference that knows the truth against a graph that knows nothing."""
    films = written_films(tmp_path, 16)
    answer = of_network(GradCam(network, "level2"))
    seen = 0

    def knows(image, target):
        nonlocal seen
        rows = (np.arange(len(image)) + seen) % 2  # the films alternate
        seen += len(image)
        sure = np.stack([1 - rows, rows], axis=1).astype(np.float32) * 1e-4
        return answer(image, target) | {"logits": sure}

    def guesses(image, target):
        return answer(image, target) | {"logits": np.zeros((len(image), 2), np.float32)}

    base = trial(network)
    poor = Trial(**(vars(base) | {"reference": knows, "oracle": None}))
    every = [*drawn(base.profile), tied(base.profile)]
    pictures = sum(len(images) for images in every)
    seen = -2 * pictures  # so that the first film counts as the first
    with pytest.raises(ParityError, match=r"AUROC changes by -0\.5"):
        poor.judge(guesses, films)


def written_films(folder, count):
    from PIL import Image

    random = np.random.default_rng(0)
    lines = ["file,label,split,group"]
    for row in range(count):
        pixels = random.integers(0, 255, (40, 30), np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
        lines.append(f"{row}.png,{'fractured' if row % 2 else 'normal'},val,{row}")
    (folder / "films.csv").write_text("\n".join(lines) + "\n")
    return read_films(folder / "films.csv", rename={"fractured": "fracture", "normal": ""})


def test_films_are_read_with_their_labels_and_a_wrong_table_is_one_line(tmp_path):
    films = written_films(tmp_path, 3)
    assert [film.labels for film in films] == [(), ("fracture",), ()]
    with pytest.raises(FilmsError, match="no film is left"):
        read_films(tmp_path / "films.csv", where={"split": "test"})
    (tmp_path / "wrong.csv").write_text("picture\na.png\n")
    with pytest.raises(FilmsError, match="there is no column"):
        read_films(tmp_path / "wrong.csv")
