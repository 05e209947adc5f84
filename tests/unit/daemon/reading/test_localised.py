"""A localiser that gives places: each image is cropped there, or says why not."""

from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from daemon.dicom.grey import Grey, Rescale
from daemon.errors import Misconfigured
from daemon.reading.analysis.localised import Localised
from daemon.reading.analysis.prediction import Prediction
from daemon.reading.decoded import Decoded
from daemon.reading.device.outputs import LandmarkOutput
from daemon.reading.device.sessions import LandmarkSession
from daemon.records import Reason
from model.composition import Crop
from model.landmarks import LandmarkManifest, LandmarkPackage
from model.package import golden_input, hash_file
from model.pixels import CONTRACT_VERSION, PixelProfile, Radiograph
from model.verified import write_verified

SIZE = 64
PROFILE = PixelProfile(size=SIZE, mean=(0, 0, 0), std=(1, 1, 1))


def manifest(**changes):
    values = {
        "name": "places",
        "version": "1",
        "graph_sha256": "0" * 64,
        "pixel_contract": CONTRACT_VERSION,
        "pixels": PROFILE,
        "training": {},
        "landmarks": ("ulna", "radius"),
        "golden": ((0.5, 0.5), (0.5, 0.5)),
        "parity": {"landmarks": 0.0},
    }
    return LandmarkManifest(**(values | changes))


@dataclass
class Places:
    """Answers with the places that a test names."""

    places: list
    provider: str = "CPUExecutionProvider"

    def run(self, images, targets):
        return LandmarkOutput(np.array(self.places[: len(images)], np.float32))


@dataclass
class Crops:
    """Keeps the crops that it is given."""

    seen: list = field(default_factory=list)
    provider: str = "CPUExecutionProvider"

    def run(self, ready):
        self.seen += ready
        return [Prediction(one.placement, SIZE, probabilities=np.ones(2)) for one in ready]


def localised(places, **changes):
    crop = Crop(**{"size_mm": 20, "centre": (0, 1), **changes})
    return Localised(manifest(), Places(places), crop, 0.0, PROFILE, Crops())


def film(rows=100, columns=100, spacing=(0.5, 0.5)):
    values = np.random.default_rng(1).uniform(0, 1, (rows, columns)).astype(np.float32)
    return Decoded(Radiograph(values, spacing_mm=spacing), Grey(Rescale(1.0, 0.0)), ())


def run(analysis, *films):
    return analysis.run([analysis.prepare(n, one, None) for n, one in enumerate(films)])


def test_places_are_mapped_to_the_source_and_the_crop_lies_around_them():
    analysis = localised([[(0.4, 0.5), (0.6, 0.5)]])
    [answer] = run(analysis, film(100, 50))
    assert answer.landmarks["ulna"] == pytest.approx((15.0, 50.0), abs=0.01)
    assert answer.landmarks["radius"] == pytest.approx((35.0, 50.0), abs=0.01)
    [crop] = analysis.then.seen
    assert crop.tensor.shape == (3, SIZE, SIZE)
    middle = crop.placement.unclipped(np.array([[32.0, 32.0]]))
    assert middle[0] == pytest.approx([25.0, 50.0], abs=0.01)


@pytest.mark.parametrize(
    "places",
    [
        [(0.05, 0.5), (0.6, 0.5)],
        [(0.5, 1.2), (0.6, 0.5)],
        [(np.nan, 0.5), (0.6, 0.5)],
        [(0.5, np.inf), (0.6, 0.5)],
    ],
)
def test_a_place_off_the_image_is_no_landmark(places):
    analysis = localised([places])
    [answer] = run(analysis, film(100, 50))
    assert answer.reason is Reason.LANDMARKS_MISSING
    assert "ulna" not in answer.landmarks
    assert answer.probabilities.size == 0
    assert analysis.then.seen == []


def test_a_landmark_that_the_crop_does_not_use_may_be_missing():
    [answer] = run(localised([[(0.5, 0.5), (2.0, 0.5)]], centre=(0,)), film())
    assert answer.reason is None
    assert set(answer.landmarks) == {"ulna"}


def test_an_axis_of_no_length_is_no_direction():
    [answer] = run(localised([[(0.5, 0.5), (0.5, 0.5)]], axis=(0, 1)), film())
    assert answer.reason is Reason.LANDMARKS_MISSING


def test_a_spacing_that_cannot_be_true_costs_no_memory():
    [answer] = run(localised([[(0.5, 0.5), (0.5, 0.6)]]), film(spacing=(1e-9, 1e-9)))
    assert answer.reason is Reason.REGION_OUTSIDE


def test_a_flat_region_is_unreadable():
    flat = film()
    flat.radiograph.values[20:80, 20:80] = 0.5
    [answer] = run(localised([[(0.5, 0.5), (0.5, 0.5)]]), flat)
    assert answer.reason is Reason.UNREADABLE


def test_answers_keep_the_order_of_the_images():
    good, bad = [(0.4, 0.5), (0.6, 0.5)], [(2.0, 0.5), (0.6, 0.5)]
    answers = run(localised([bad, good, bad, good]), *(film() for _ in range(4)))
    assert [one.reason for one in answers] == [Reason.LANDMARKS_MISSING, None] * 2


def test_no_image_asks_no_network():
    assert localised([]).run([]) == []


@pytest.fixture
def package(tmp_path):
    """A localiser whose four numbers are means of the image."""
    weights = {
        "spatial": np.array([2, 3], np.int64),
        "weight": np.array([[0.1, 0.2, 0.3, 0.4]] * 3, np.float32),
        "shape": np.array([-1, 2, 2], np.int64),
    }
    nodes = [
        helper.make_node("ReduceMean", ["image", "spatial"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "weight"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["landmarks"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "places",
        [value("image", TensorProto.FLOAT, ["b", 3, SIZE, SIZE])],
        [value("landmarks", TensorProto.FLOAT, ["b", 2, 2])],
        [numpy_helper.from_array(one, name) for name, one in weights.items()],
    )
    file = tmp_path / "places.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(made, file)
    mean = float(golden_input(SIZE).mean(axis=(2, 3)).sum())
    golden = ((0.1 * mean, 0.2 * mean), (0.3 * mean, 0.4 * mean))
    described = manifest(graph_sha256=hash_file(file), golden=golden)
    write_verified(tmp_path / "package", file, described, "")
    return LandmarkPackage(tmp_path / "package", described, "d" * 64)


def test_a_graph_that_takes_no_target_and_gives_places_is_run(package):
    session = LandmarkSession(package, "cpu", 1)
    images = np.full((3, 3, SIZE, SIZE), 0.5, np.float32)
    output = session.run(images, np.full(3, -1))
    assert output.images == 3
    assert output.found[2] == pytest.approx(np.array([[0.15, 0.3], [0.45, 0.6]]))


def test_another_number_of_landmarks_than_the_manifests_is_refused(package):
    changes = {"landmarks": ("one",), "golden": ((0.1, 0.2),)}
    other = package.manifest.model_copy(update=changes)
    with pytest.raises(Misconfigured, match="answered with 2 landmarks, the manifest names 1"):
        LandmarkSession(LandmarkPackage(package.folder, other, ""), "cpu", 1)


def test_an_output_that_is_not_there_is_refused(package):
    other = package.manifest.model_copy(update={"output": "heatmaps"})
    with pytest.raises(Misconfigured, match="golden input is not answered"):
        LandmarkSession(LandmarkPackage(package.folder, other, ""), "cpu", 1)
