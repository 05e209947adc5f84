"""Studies of every kind at once, for two models: each has the outcome of its route.

Wrists, chests, other parts and objects that are no images; tagged right, wrong or not at all; sent
interleaved over eight associations, while the daemon is killed and started again. `wrist-demo` is
asked about wrists, a second package about chests; feet are recognised and held.
`WRISTD_MIXED_STUDIES` sets how many there are.
"""

import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage

from model.package import write_package
from tests.support.fakes import Archive
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.node import model_block, running_daemon
from tests.support.objects import Exam, Patient, dx, save_all
from tests.support.phantoms import chest, wrist
from tests.support.tools import storescu

STUDIES = int(os.environ.get("WRISTD_MIXED_STUDIES", "120"))
SENDERS, KILLS = 8, 3
READ = "read"
WITHIN_S, LOOK_EVERY_S = 300.0, 3.0


@dataclass(frozen=True)
class Kind:
    """A kind of study: its film, what its header states, and what each model makes of it."""

    film: str
    states: str
    outcome: dict[str, str]
    share: int = 1


KINDS = (
    Kind("wrist", "WRIST", {"wrist": READ}, share=4),
    Kind("wrist", "", {"wrist": READ}),
    Kind("wrist", "HAND", {"wrist": READ}),
    Kind("wrist", "CHEST", {"chest": READ}),  # the header decides who is asked
    Kind("chest", "CHEST", {"chest": READ}, share=3),
    Kind("chest", "", {"wrist": "not the expected body part"}),
    Kind("chest", "WRIST", {"wrist": "not the expected body part"}),
    Kind("wrist", "FOOT", {"feet": "held by a rule of this site"}),
    Kind("wrist", "SKULL", {"": "no model for this image"}),
    Kind("no pixels", "WRIST", {"wrist": "image unreadable"}),
    Kind("no image", "WRIST", {}),  # acknowledged and ignored: there is no study
)


@pytest.fixture(scope="module")
def pictures():
    plain = wrist(spacing_mm=0.6)
    return {"wrist": plain, "chest": chest(), "no pixels": plain, "no image": plain}


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A package for chests."""
    folder = tmp_path_factory.mktemp("chest")
    graph = write_graph(folder / "graph.onnx", gain=1.0)
    described = {"name": "tiny-chest", "body_parts": ("CHEST",)}
    manifest = tiny_manifest(graph).model_copy(update=described)
    return write_package(folder / "package", graph, manifest, "").folder


def sections(second):
    return {
        "models": [
            model_block(when={"body_parts": ["WRIST", "HAND"]}),
            model_block(second, name="chest", when={"body_parts": ["CHEST"]}),
            {"name": "feet", "hold": True, "when": {"body_parts": ["FOOT"]}},
        ],
        "reading": {"provider": "cpu", "lease_s": 5.0, "max_attempts": KILLS + 2},
        "report": {"heat_map": False},
    }


def drawn(folder: Path, pictures, number: int, kind: Kind) -> tuple[str, list[Path]]:
    """Draw one study of one or two images; return its UID and files."""
    exam = Exam(Patient(f"P{number}", f"{number}"), body_part=kind.states)
    images = [dx(pictures[kind.film], "PA", exam, number=one + 1) for one in range(1 + number % 2)]
    for one in images if kind.film in ("no pixels", "no image") else ():
        del one.PixelData
        if kind.film == "no image":
            one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    return exam.study_uid, save_all(images, folder / str(number))


def said(state) -> dict[str, str]:
    return {one["model"]: one["reason"] or READ for one in state["models"]} if state else {}


def test_each_of_many_mixed_studies_has_the_outcome_of_its_route(tmp_path, pictures, second):
    chance = random.Random(4)
    shares = [kind for kind in KINDS for _ in range(kind.share)]
    kinds = [shares[number % len(shares)] for number in range(STUDIES)]
    chance.shuffle(kinds)
    studies = {}
    for number, kind in enumerate(kinds):
        study_uid, files = drawn(tmp_path / "in", pictures, number, kind)
        studies[study_uid] = kind, files
    batches = [[] for _ in range(KILLS + 1)]
    for study_uid in studies:
        chance.choice(batches).append(study_uid)
    waited_for = [study_uid for study_uid, (kind, _) in studies.items() if kind.outcome]
    with Archive() as archive:
        for batch in batches:
            with running_daemon(tmp_path / "node", [archive], sections(second)) as node:
                send_all(node, [studies[one][1] for one in batch])
                if batch is not batches[-1]:
                    threading.Event().wait(chance.uniform(0.0, 6.0))
                    node.kill()
                    continue
                states = node.wait_for_outcomes(waited_for, WITHIN_S, LOOK_EVERY_S)
        kept = list(archive.kept.values())
    wrong = {
        (kind.film, kind.states): said(states.get(study_uid))
        for study_uid, (kind, _) in studies.items()
        if said(states.get(study_uid)) != kind.outcome
    }
    assert not wrong
    reports = Counter(
        str(copies[0].StudyInstanceUID)
        for copies in kept
        if copies[0].SOPClassUID == Comprehensive3DSRStorage
    )
    # A kill between an archive's answer and our note of it: the same object is sent again.
    assert all(one == copies[0] for copies in kept for one in copies)
    reported = [uid for uid in waited_for if "feet" not in studies[uid][0].outcome]
    assert reports == dict.fromkeys(reported, 1)


def send_all(node, studies: list[list[Path]]) -> None:
    """Send the images of several studies interleaved, over eight associations at once."""
    files = [file for one in studies for file in one]
    random.Random(5).shuffle(files)
    with ThreadPoolExecutor(SENDERS) as pool:
        sent = pool.map(
            lambda part: storescu(node.port, node.ae_title, *part)[0],
            [files[start::SENDERS] for start in range(SENDERS)],
        )
    assert set(sent) <= {0}
