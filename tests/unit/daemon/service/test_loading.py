"""Real packages, loaded at the start or at their first use, under a ceiling."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import onnx
import pytest

from daemon.dicom.parse import read_header
from daemon.errors import Misconfigured
from daemon.ledger.ledger import Ledger
from daemon.ledger.notes import Notes
from daemon.reading.opened import OpenStudy
from daemon.reading.shelf import NOT_LOADED
from daemon.reading.signalling import InLedger
from daemon.records import Category, Instance, Job, Origin, Reason
from daemon.service.loading import room_on_demand, weight_of
from daemon.service.reading import Surroundings, equip, open_models
from daemon.settings import DimseDestination, Model, Reading, Settings
from daemon.signals import Signal
from model.chain_package import write_chain
from model.package import load_package, write_package
from tests.support.chains import CROP, Phantom, classifier, described, localiser
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.objects import Exam, dx, save
from tests.support.opening import decode_here, describe_here
from tests.support.phantoms import wrist

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
PACS = DimseDestination(kind="dimse", name="p", ae_title="P", host="127.0.0.1", port=1)
NAMES = ("a", "b", "c")
GAINS = dict(zip(NAMES, (0.5, 1.0, 2.0), strict=True))
"""Each scores otherwise."""


@pytest.fixture
def packages(tmp_path):
    """Three packages; their folders by name."""
    made = {}
    for name, gain in GAINS.items():
        graph = write_graph(tmp_path / f"{name}.onnx", gain)
        made[name] = write_package(tmp_path / name, graph, tiny_manifest(graph), "").folder
    return made


class Site:
    """The reading of a daemon whose models are all asked of every image."""

    def __init__(self, folder, ledger, models, ceiling=0):
        reading = Reading(provider="cpu", threads=1, batch_size=2, max_models_bytes=ceiling)
        settings = Settings(destinations=(PACS,), models=tuple(models), reading=reading)
        decoders = SimpleNamespace(decode=decode_here, describe=describe_here)
        where = Surroundings(folder, folder, InLedger(ledger), "w", decoders, lambda: NOW)
        opened = open_models(settings, folder / "settings.toml")
        self.ledger = ledger
        self.equipment = equip(settings, opened, where)
        self.readers = self.equipment.readers
        file = save(dx(wrist(spacing_mm=1.0)), folder / "film.dcm")
        header = read_header(file)
        uids = header.sop_instance_uid, header.sop_class_uid
        self.image = Instance(
            1, *uids, "p", file.name, "a" * 64, header, origin=Origin("", "WRISTD")
        )

    def open(self, name, *images):
        job = Job(1, "1.2", 1, "w", NOW, images or (self.image,), model_name=name)
        return self.readers.open(job, NOW, lambda: None)

    def read(self, name):
        opened = self.open(name)
        return self.readers.infer([opened], NOW)[0] if isinstance(opened, OpenStudy) else opened

    def score(self, name):
        return self.read(name).images[0].scores[0].probability

    def noted(self, signal):
        return sorted(one.subject for one in Notes(self.ledger).standing() if one.signal is signal)

    def loads(self, name):
        return self.ledger.counters().get(Signal.MODEL_LOADS.of(name), 0)


@pytest.fixture
def site(tmp_path, packages):
    """Make a site of models; those that are named are loaded at the start."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:

        def make(*pinned, ceiling=0, changed=None):
            folders = packages | (changed or {})
            models = [
                Model(
                    name=name,
                    package=str(folder),
                    also=True,
                    load="start" if name in pinned else "first_use",
                )
                for name, folder in folders.items()
            ]
            return Site(tmp_path, ledger, models, ceiling)

        yield make


def ceiling_of(packages, number):
    """Return what allows so many models at a time."""
    return number * (packages["a"] / "model.onnx").stat().st_size


def golden_differs(folder):
    graph = write_graph(folder / "other.onnx", gain=3.0)
    manifest = tiny_manifest(graph)
    other = manifest.golden.model_copy(update={"logits": (9.0, 9.0)})
    described_so = manifest.model_copy(update={"golden": other})
    return write_package(folder / "other", graph, described_so, "").folder


def test_nothing_is_loaded_before_a_study_needs_it(site):
    made = site()
    image = replace(made.image, header=replace(made.image.header, body_part="CHEST"))
    assert made.open("a", image).model.provider == NOT_LOADED
    assert made.noted(Signal.READS_ON) == []
    assert made.read("a").model.provider == "CPUExecutionProvider"
    assert made.noted(Signal.READS_ON) == ["a"]
    assert (made.loads("a"), made.loads("b")) == (1, 0)


def test_it_is_loaded_once_for_many_studies_in_many_threads(site):
    made = site()
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(made.open, NAMES * 8))
    readings = made.readers.infer(opened, NOW)
    assert {one.images[0].category for one in readings} <= set(Category) - {Category.NOT_ANALYSED}
    assert [made.loads(name) for name in NAMES] == [1, 1, 1]
    assert made.equipment.batch_size() == 2


def test_what_made_room_is_gone_and_comes_back_with_the_same_scores(site, packages):
    made = site(*NAMES)
    expected = {name: made.score(name) for name in NAMES}
    made = site(ceiling=ceiling_of(packages, 2))
    assert len(set(expected.values())) == 3
    first = weakref.ref(made.readers.shelf.take("a"))
    for name in (*NAMES, *NAMES, "c", "c"):
        assert made.score(name) == expected[name]
    gc.collect()
    assert first() is None
    assert [made.loads(name) for name in NAMES] == [2, 2, 2]
    assert made.noted(Signal.READS_ON) == ["b", "c"]


def test_what_is_loaded_at_the_start_stays(site, packages):
    made = site("a", ceiling=ceiling_of(packages, 2))
    for name in ("b", "c", "b", "a"):
        made.score(name)
        assert "a" in made.noted(Signal.READS_ON)
    assert (made.loads("a"), made.loads("b"), made.loads("c")) == (0, 2, 1)


def test_a_model_that_fails_at_its_first_use_takes_no_other_with_it(site, tmp_path):
    made = site("b", changed={"a": golden_differs(tmp_path)})
    assert made.noted(Signal.OUT_OF_SERVICE) == []
    for _ in range(2):
        reading = made.read("a")
        assert reading.reason is Reason.MODEL_OFFLINE
        assert (reading.model.name, reading.model.provider) == ("tiny", NOT_LOADED)
    assert made.noted(Signal.OUT_OF_SERVICE) == ["a"]
    assert made.noted(Signal.READS_ON) == ["b"]
    assert all(made.read(name).reason is None for name in ("b", "c"))


def test_a_package_that_was_changed_since_the_start_is_not_passed_off_as_the_old(site, packages):
    """Though the golden input is answered as before: one is replaced whole, of one the graph."""
    made = site()
    package = load_package(packages["a"])
    newer = package.manifest.model_copy(update={"version": "2"})
    write_package(package.folder, package.graph, newer, "")
    graph = onnx.load(packages["b"] / "model.onnx")
    graph.doc_string = "the same numbers"
    onnx.save(graph, packages["b"] / "model.onnx")
    assert [made.read(name).reason for name in ("a", "b")] == [Reason.MODEL_OFFLINE] * 2
    assert made.read("c").reason is None
    assert made.noted(Signal.OUT_OF_SERVICE) == ["a", "b"]


def test_the_stages_of_a_chain_are_loaded_and_put_away_together(site, packages, tmp_path):
    branch = {"members": ["one"], "localiser": "find", "crop": CROP, "least_peak": 0.25}
    stages = {"find": localiser(tmp_path), "one": classifier(tmp_path, "one")}
    chain = write_chain(tmp_path / "chain", stages, described([branch]), "")
    made = site(changed={"a": chain.folder}, ceiling=weight_of(chain))
    film = dx(Phantom().draw(), exam=Exam())
    film.PixelSpacing = film.ImagerPixelSpacing = list(Phantom().pixel)
    file = save(film, tmp_path / "phantom.dcm")
    image = replace(made.image, file=file.name, header=read_header(file))
    for _ in range(2):
        [reading] = made.readers.infer([made.open("a", image)], NOW)
        assert reading.images[0].scores[0].probability == pytest.approx(0.98, abs=0.03)
        assert reading.model.provider == "CPUExecutionProvider"
        assert made.noted(Signal.READS_ON) == ["a/find", "a/one"]
        made.score("b")
        assert made.noted(Signal.READS_ON) == ["b"]


@pytest.mark.parametrize(
    ("pinned", "number", "words"),
    [
        (NAMES, 2, 'at the start weigh .* allows .*: raise it, or give one of them load = "first'),
        (("a", "b"), 2, "model c weighs .* leaves 0 beside the models that are loaded at"),
    ],
)
def test_a_ceiling_that_is_too_low_is_refused_in_one_line(site, packages, pinned, number, words):
    with pytest.raises(Misconfigured, match=words) as refused:
        site(*pinned, ceiling=ceiling_of(packages, number))
    assert "\n" not in str(refused.value)
    assert site("a", "b", ceiling=ceiling_of(packages, 3)).noted(Signal.READS_ON) == ["a", "b"]


def test_without_a_ceiling_there_is_always_room():
    assert room_on_demand(Settings(destinations=(PACS,)), {}) == float("inf")
