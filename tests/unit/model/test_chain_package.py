"""The package of several networks: written, read, and refused in one line where it does not fit."""

import json

import pytest

from model.chain_package import ChainPackage, load, load_chain, write_chain
from model.landmarks import LandmarkManifest
from model.package import (
    GRAPH_FILE,
    MANIFEST_FILE,
    FindingSpec,
    Golden,
    Manifest,
    ModelPackage,
    PackageError,
    hash_file,
    load_package,
    write_package,
)
from model.pixels import CONTRACT_VERSION, PixelProfile
from model.verified import write_verified

FRACTURE = FindingSpec(name="fracture", class_index=1, high_sensitivity=0.3, high_specificity=0.7)


def common(graph):
    return {
        "version": "1",
        "graph_sha256": hash_file(graph),
        "pixel_contract": CONTRACT_VERSION,
        "pixels": PixelProfile(size=64),
        "training": {},
    }


def classifier(folder, name, **changes):
    graph = folder / f"{name}.onnx"
    graph.write_bytes(name.encode())
    values = {
        **common(graph),
        "name": name,
        "activation": "softmax",
        "classes": ("no_finding", "fracture"),
        "findings": (FRACTURE,),
        "temperature": 1.0,
        "calibration": "none",
        "cam_layer": "last",
        "golden": Golden(logits=(0.0, 1.0)),
        "body_parts": ("WRIST",),
        "parity": {"logits": 0.0, "cam": 0.0},
    }
    return write_package(folder / name, graph, Manifest(**(values | changes)), "").folder


def localiser(folder, name="find", **changes):
    graph = folder / f"{name}.onnx"
    graph.write_bytes(name.encode())
    values = {
        **common(graph),
        "name": name,
        "landmarks": ("ulna", "radius"),
        "golden": ((0.5, 0.5), (0.4, 0.5)),
        "parity": {"landmarks": 0.0},
    }
    write_verified(folder / name, graph, LandmarkManifest(**(values | changes)), "")
    return folder / name


@pytest.fixture
def stages(tmp_path):
    made = {name: classifier(tmp_path, name) for name in ("pa-1", "pa-2", "lat")}
    return made | {"find": localiser(tmp_path)}


def described(**changes):
    branches = [
        {
            "views": ["PA", "AP"],
            "localiser": "find",
            "crop": {"size_mm": 70, "centre": [0, 1], "offset_mm": [0, 15]},
            "members": ["pa-1", "pa-2"],
        },
        {"views": ["LAT"], "members": ["lat"]},
    ]
    values = {
        "name": "pair",
        "version": "1",
        "branches": branches,
        "fusion": {"views": ["PA", "LAT"], "rule": "mean"},
        "findings": [FRACTURE.model_dump()],
        "calibration": "none",
        "body_parts": ["WRIST"],
    }
    return values | changes


def test_a_written_chain_is_read_back_with_its_stages(tmp_path, stages):
    written = write_chain(tmp_path / "chain", stages, described(), "# Card\n")
    read = load(tmp_path / "chain")
    assert isinstance(read, ChainPackage)
    assert (read.manifest, read.digest) == (written.manifest, written.digest)
    assert set(read.graphs) == set(stages)
    assert read.classifiers["lat"].manifest == load_package(stages["lat"]).manifest
    assert [read.manifest.branch_of(view) for view in ("PA", "AP", "LAT", "OBL", None)] == [
        0,
        0,
        1,
        None,
        None,
    ]


def test_version_1_is_read_as_ever(stages):
    read = load(stages["lat"])
    assert isinstance(read, ModelPackage)
    assert read == load_package(stages["lat"])


def test_a_branch_without_views_is_for_all_others(tmp_path, stages):
    branches = [{"views": ["LAT"], "members": ["lat"]}, {"members": ["pa-1"]}]
    changes = {"branches": branches, "fusion": None}
    only = {name: stages[name] for name in ("lat", "pa-1")}
    chain = write_chain(tmp_path / "chain", only, described(**changes), "").manifest
    assert [chain.branch_of(view) for view in ("LAT", "PA", None)] == [0, 1, 1]


def branch(**changes):
    made = described()["branches"]
    made[0] = {key: value for key, value in (made[0] | changes).items() if value is not ...}
    return {"branches": made}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (branch(members=["pa-1", "pa-2", "pa-3"]), "a stage that does not exist: pa-3"),
        (branch(members=["pa-1"]), "no branch uses the stage pa-2"),
        (branch(members=["pa-1", "pa-1"]), "named twice"),
        (branch(members=[]), "members: Tuple should have at least 1 item"),
        (branch(members=["pa-1", "pa-2", "find"]), "the member find is no classifier"),
        (branch(localiser="lat"), "no branch uses the stage find"),
        (branch(localiser=...), "a crop needs landmarks"),
        (branch(crop=...), "the landmarks of 'find' are for nothing"),
        (branch(crop={"size_mm": 70, "centre": [2]}), "find has no landmark 2, it has 2"),
        (branch(crop={"size_mm": 70, "centre": [-1]}), "find has no landmark -1"),
        (branch(crop={"size_mm": 70, "centre": [0], "axis": [0, 5]}), "no landmark 5"),
        (branch(crop={"size_mm": 70, "centre": [0], "axis": [1, 1]}), "two different landmarks"),
        (branch(crop={"size_mm": 0, "centre": [0]}), "size_mm: Input should be greater than 0"),
        (branch(least_peak=0.5), "has no heat maps, and takes no least_peak"),
        (branch(views=["PA", "LAT"]), "two branches are for the same view"),
        ({"fusion": {"views": ["PA", "OBL"], "rule": "mean"}}, "classifies the view OBL"),
        ({"fusion": {"views": ["PA"], "rule": "mean"}}, "fusion.views"),
        ({"fusion": {"views": ["PA", "LAT"], "rule": "median"}}, "'mean' or 'max'"),
        ({"findings": [FRACTURE.model_dump() | {"class_index": 0}]}, "does not report fracture"),
        ({"schema_version": 3}, "schema_version: Input should be 2"),
        ({"threshold": 0.5}, "threshold: Extra inputs are not permitted"),
    ],
)
def test_stages_that_do_not_fit_are_refused_in_one_line(tmp_path, stages, changes, words):
    with pytest.raises(PackageError) as caught:
        write_chain(tmp_path / "chain", stages, described(**changes), "")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "chain").exists()


METAL = FRACTURE.model_copy(update={"name": "metal"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {
                "classes": ("no_finding", "fracture", "metal"),
                "golden": Golden(logits=(0.0, 0.0, 0.0)),
            },
            "the classes of pa-2 are not those of pa-1",
        ),
        ({"pixels": PixelProfile(size=96)}, "members of one branch with other pixels"),
        ({"classes": ("no_finding", "metal"), "findings": (METAL,)}, "the classes of pa-2"),
    ],
)
def test_a_member_that_does_not_fit_the_others_is_refused(tmp_path, stages, changes, words):
    stages["pa-2"] = classifier(tmp_path, "pa-2", **changes)
    with pytest.raises(PackageError, match=words):
        write_chain(tmp_path / "chain", stages, described(), "")


def test_other_activations_have_no_mean_of_logits(tmp_path, stages):
    stages["pa-2"] = classifier(tmp_path, "pa-2", activation="sigmoid")
    write_chain(tmp_path / "chain", stages, described(), "")
    with pytest.raises(PackageError, match="other activations"):
        write_chain(tmp_path / "chain", stages, described(**branch(mean="logits")), "")


def test_heat_maps_need_the_height_that_shows_a_landmark(tmp_path, stages):
    stages["find"] = localiser(tmp_path, output="heatmaps")
    with pytest.raises(PackageError, match="find needs least_peak"):
        write_chain(tmp_path / "chain", stages, described(), "")
    chain = write_chain(tmp_path / "chain", stages, described(**branch(least_peak=0.2)), "")
    assert chain.manifest.branches[0].least_peak == 0.2


def no_graph(stage):
    (stage / GRAPH_FILE).unlink()


def other_graph(stage):
    (stage / GRAPH_FILE).write_bytes(b"another")


def other_manifest(stage):
    file = stage / MANIFEST_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": "2"}))


def other_contract(stage):
    file = stage / MANIFEST_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pixel_contract": 99}))


def no_folder(stage):
    (stage / MANIFEST_FILE).unlink()


@pytest.mark.parametrize("name", ["find", "pa-2"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (no_graph, "No such file or directory: .*model.onnx"),
        (other_graph, "model.onnx does not match the manifest's sha256"),
        (other_manifest, "its manifest does not match the chain's sha256"),
        (other_contract, "made for pixel contract 99"),
        (no_folder, "No such file or directory: .*manifest.json"),
    ],
)
def test_a_damaged_stage_is_named(tmp_path, stages, name, damage, words):
    folder = write_chain(tmp_path / "chain", stages, described(), "").folder
    damage(folder / name)
    with pytest.raises(PackageError, match=words) as caught:
        load_chain(folder)
    assert f"chain/{name}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_stage_that_is_not_there_leaves_the_old_chain(tmp_path, stages):
    old = write_chain(tmp_path / "chain", stages, described(), "")
    with pytest.raises(PackageError, match="No such file"):
        write_chain(tmp_path / "chain", stages | {"lat": tmp_path / "gone"}, described(), "")
    assert load(tmp_path / "chain").digest == old.digest
