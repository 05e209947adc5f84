"""A daemon with several models: each study has the outcome of its route, also over kills."""

import json
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydicom.uid import Comprehensive3DSRStorage

from model.package import write_package
from tests.support.fakes import Archive
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.node import model_block, running_daemon
from tests.support.objects import Exam, Patient, save_all, study_of
from tests.support.phantoms import chest, wrist
from tests.support.tools import storescu, wait_until

DONE = "done"
STUDIES_EACH, KILL_EVERY = 4, 5


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Three packages that read different parts; the third is damaged."""
    made = {}
    for name, part in (("wrist", "WRIST"), ("chest", "CHEST"), ("knee", "KNEE")):
        folder = tmp_path_factory.mktemp(name)
        graph = write_graph(folder / "graph.onnx", gain=1.0)
        described = {"name": f"tiny-{name}", "body_parts": (part,)}
        manifest = tiny_manifest(graph).model_copy(update=described)
        made[name] = write_package(folder / "package", graph, manifest, "").folder
    (made["knee"] / "model.onnx").write_bytes(b"damaged")
    return made


def sections(packages, **reading):
    """Each part goes to its model, and wrists to a second one besides."""
    return {
        "models": [
            model_block(packages["wrist"], when={"body_parts": ["WRIST"], "descriptions": ["XR*"]}),
            model_block(packages["chest"], name="chest", when={"body_parts": ["CHEST"]}),
            model_block(packages["knee"], name="knee", when={"body_parts": ["KNEE"]}),
            model_block(
                packages["wrist"], name="second", also=True, when={"body_parts": ["WRIST"]}
            ),
        ],
        "reading": {"provider": "cpu", "threads": 1, "lease_s": 5.0, **reading},
        "report": {"heat_map": False},
    }


def with_room_for_two(packages):
    """The first model stays loaded; of the others, one at a time is."""
    graph = packages["wrist"] / "model.onnx"
    made = sections(packages, max_models_bytes=2 * graph.stat().st_size)
    first, *others = made["models"]
    return made | {"models": [first, *(one | {"load": "first_use"} for one in others)]}


EXPECTED = {
    "WRIST": {"wrist": DONE, "second": DONE},
    "CHEST": {"chest": DONE},
    "KNEE": {"knee": "model offline"},
    "SKULL": {"": "no model for this image"},
    "": {"wrist": DONE, "second": DONE},
}
"""What each model makes of a study whose images state a part of the body."""


def drawn(folder):
    """Draw studies of each part; return part and files by Study Instance UID."""
    studies = {}
    for part in EXPECTED:
        for number in range(STUDIES_EACH):
            exam = Exam(Patient(f"P{part}{number}", f"{part}{number}"), body_part=part)
            picture = chest() if part == "CHEST" else wrist(spacing_mm=1.0)
            images = study_of([("PA", picture), ("LAT", picture)], exam)
            files = save_all(images, folder / exam.study_uid)
            studies[exam.study_uid] = part, files
    return studies


def both_parts(folder):
    exam = Exam(Patient("BOTH", "BOTH"), body_part="WRIST")
    images = study_of([("PA", wrist(spacing_mm=1.0)), ("LAT", chest())], exam)
    images[1].BodyPartExamined = "CHEST"
    return exam.study_uid, save_all(images, folder / "both")


def said(state):
    """What each model made of a study."""
    return {one["model"]: one["reason"] or one["state"] for one in state["models"]}


def send(node, files):
    assert storescu(node.port, node.ae_title, *files)[0] == 0


def shuffled(files, seed):
    return random.Random(seed).sample(list(files), len(files))


def test_each_study_has_the_outcome_of_its_route(tmp_path, packages):
    studies = drawn(tmp_path / "in")
    both, files = both_parts(tmp_path / "in")
    everything = shuffled([*(files for _, files in studies.values()), files], 1)
    with (
        Archive() as archive,
        running_daemon(tmp_path / "node", [archive], with_room_for_two(packages)) as node,
    ):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: send(node, one), everything))
        states = node.wait_for_outcomes([*studies, both])
        status, log = json.loads(node.wristd("status")), list(node.log)
        reports = reports_of(archive)
    for study_uid, (part, _) in studies.items():
        assert said(states[study_uid]) == EXPECTED[part], part
    assert said(states[both]) == {"wrist": DONE, "chest": DONE, "second": DONE}
    assert any(one.startswith("model out of service (knee ") for one in status["degraded"])
    loads = {name for name in status["counters"] if name.startswith("model_loads")}
    assert loads == {"model_loads chest", "model_loads second"}
    assert len(status["reads_on"]) == 2
    assert any("out of service: model knee" in line for line in log)
    expected = {uid: len(EXPECTED[part]) for uid, (part, _) in studies.items()} | {both: 3}
    assert Counter(str(one.StudyInstanceUID) for one in reports) == expected
    assert {len(copies) for copies in archive.kept.values()} == {1}


def test_killed_at_any_moment_no_models_job_is_lost(tmp_path, packages):
    studies = drawn(tmp_path / "in")
    left, chance = shuffled([files for _, files in studies.values()], 2), random.Random(3)
    with Archive() as archive:
        while left:
            with running_daemon(tmp_path / "node", [archive], sections(packages)) as node:
                for files in left[:KILL_EVERY]:
                    send(node, files)
                del left[:KILL_EVERY]
                threading.Event().wait(chance.uniform(0.0, 4.0))
                node.kill()
        with running_daemon(tmp_path / "node", [archive], sections(packages)) as node:
            states = node.wait_for_outcomes(studies)
        reports = reports_of(archive)
    for study_uid, (part, _) in studies.items():
        assert said(states[study_uid]) == EXPECTED[part], part
        assert states[study_uid]["superseded"] == 0
    expected = {uid: len(EXPECTED[part]) for uid, (part, _) in studies.items()}
    assert Counter(str(one.StudyInstanceUID) for one in reports) == expected


def test_a_rule_may_hold_what_it_recognises_until_a_person_releases_it(tmp_path, packages):
    """By the title of ours that it was sent to; the receiver answers to that title, too."""
    held = {"name": "trial", "hold": True, "when": {"called": ["TRIAL"]}}
    models = [held, model_block(packages["wrist"])]
    exam, other = Exam(Patient("A", "A")), Exam(Patient("B", "B"))
    with (
        Archive() as archive,
        running_daemon(tmp_path / "node", [archive], {"models": models}) as node,
    ):
        for one, title in ((exam, "trial"), (other, node.ae_title)):
            files = save_all(study_of([("PA", wrist(spacing_mm=1.0))], one), tmp_path / title)
            assert storescu(node.port, title, *files)[0] == 0
        states = node.wait_for_outcomes([exam.study_uid, other.study_uid])
        assert said(states[exam.study_uid]) == {"trial": "held by a rule of this site"}
        assert states[exam.study_uid]["is_held"]
        assert said(states[other.study_uid]) == {"wrist": DONE}
        assert {str(one.StudyInstanceUID) for one in reports_of(archive)} == {other.study_uid}
        node.wristd("release", exam.study_uid)
        wait_until(lambda: len(reports_of(archive)) == 2, "the report of what was released")
        states = node.wait_for_outcomes([exam.study_uid])
    assert said(states[exam.study_uid]) == {"trial": "no model for this image"}


def reports_of(archive):
    objects = [copies[0] for copies in archive.kept.values()]
    return [one for one in objects if one.SOPClassUID == Comprehensive3DSRStorage]
