"""What export writes, the daemon reads: several maps in each call, and batches of a fixed size."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest
import torch

from daemon.ledger.ledger import Ledger
from daemon.operate.bench import bench
from daemon.reading.decoding.film import decode
from daemon.reading.device.opening import build_guard
from daemon.reading.device.sessions import Session
from daemon.reading.signalling import InLedger
from daemon.records import Instance, Job
from daemon.settings import Reading
from export import onnx as export_onnx
from model import checkpoint
from model.gradcam import GradCam
from model.networks.registry import build_network
from model.package import load_package
from model.pixels import prepare
from tests.support import phantoms
from tests.support.objects import EXAM, dx, save
from tests.support.opening import reader
from tests.unit.export.conftest import checkpoint_of

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SIZE = 64
CLASSES = ("no_finding", "fracture", "metal")
DECISION = {"temperature": 1.0} | {
    f"{name}.{point}": value
    for name in CLASSES[1:]
    for point, value in (("high_sensitivity", 0.2), ("high_specificity", 0.7))
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two packages of one network: `every` gives all findings' maps, two images a call."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(1)
    fields = {"kind": "seresnet", "backbone": "test_resnet", "size": SIZE, "classes": CLASSES}
    network = build_network(fields).eval()
    checkpoint.save(checkpoint_of(network, decision=DECISION), folder / "checkpoint.pt")
    wanted = {
        "every": ["--every-finding", "--batch", "2", "--cam-layer", "layer3", "layer4"],
        "plain": ["--cam-layer", "layer3"],
    }
    for name, words in wanted.items():
        command = [str(folder / "checkpoint.pt"), *words]
        command += ["--cam", "layercam"]  # positive for every class, of drawn weights too
        assert export_onnx.main([*command, "--out", str(folder / name)]) == 0
    packages = {name: load_package(folder / name) for name in wanted}
    return SimpleNamespace(network=network, **packages)


class Counted:
    """An ONNX Runtime session that remembers what it was asked for."""

    def __init__(self, graph, options, providers):
        self.session = ort.InferenceSession(graph, options, providers=providers)
        self.calls = []

    def run(self, names, feed):
        self.calls.append((len(feed["image"]), tuple(names), int(feed["target"][0])))
        return self.session.run(names, feed)

    def __getattr__(self, name):
        return getattr(self.session, name)


def counted(package):
    made = []

    def create(*arguments, **named):
        made.append(Counted(*arguments, **named))
        return made[0]

    session = Session(package, "cpu", 1, create=create)
    made[0].calls.clear()
    return session, made[0].calls


def study(folder, images):
    """Put wrists into the spool, each another one."""
    instances = []
    for number in range(images):
        picture = phantoms.wrist("PA", "L", spacing_mm=1.0)[: 120 - 10 * number]
        save(dx(picture, number=number + 1), folder / f"{number}.dcm")
        uid = f"1.2.{number}"
        instances.append(Instance(number, uid, "1.3", "p", f"{number}.dcm", "a" * 64))
    return Job(1, EXAM.study_uid, 1, "w", NOW + timedelta(seconds=60), tuple(instances))


def read(package, network, folder, images=3):
    return reader(package, folder, network).read(study(folder, images), NOW).images


def test_every_findings_map_comes_with_one_call_and_is_that_of_its_class(site, tmp_path):
    session, calls = counted(site.every)
    seen = read(site.every, session, tmp_path, images=2)
    assert calls == [(2, ("logits", "cam", "finding_cams"), 1)]
    cam = GradCam(site.network, "layer3", "layercam")
    for number, image in enumerate(seen):
        radiograph = decode(tmp_path / f"{number}.dcm", 10**8).radiograph
        tensor = torch.from_numpy(prepare(radiograph, site.every.manifest.pixels)[0][None])
        for finding in site.every.manifest.findings:
            logits, expected, *_ = cam(tensor, torch.tensor([finding.class_index]))
            scale = float(expected.max())
            found = image.evidence[finding.name]
            assert np.abs(found - expected[0].numpy()).max() / scale <= 1e-4
            score = next(score for score in image.scores if score.finding == finding.name)
            chance = torch.softmax(logits, 1)[0, finding.class_index]
            assert score.probability == pytest.approx(float(chance), abs=1e-4)
    assert not np.allclose(seen[0].evidence["fracture"], seen[0].evidence["metal"])


def test_without_them_each_finding_is_asked_for_and_the_evidence_is_the_same(site, tmp_path):
    plain, calls = counted(site.plain)
    seen = read(site.plain, plain, tmp_path)
    assert [target for _, _, target in calls] == [1, 2]
    every, _ = counted(site.every)
    for one, other in zip(seen, [*read(site.every, every, tmp_path, 2)], strict=False):
        for name, found in one.evidence.items():
            assert np.allclose(found, other.evidence[name], atol=1e-5 * max(1.0, found.max()))


def test_a_study_of_odd_size_fills_up_its_last_batch_and_keeps_the_order(site, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    guard = build_guard(Reading(provider="cpu", threads=1), site.every, InLedger(ledger), "w")
    assert guard.batch_size == 2
    seen = read(site.every, guard, tmp_path, images=3)
    alone, _ = counted(site.plain)
    expected = read(site.plain, alone, tmp_path, images=3)
    for one, other in zip(seen, expected, strict=True):
        assert one.evidence["metal"].shape == (4, 4)
        assert np.allclose(one.evidence["metal"], other.evidence["metal"], atol=1e-5)
        assert [score.probability for score in one.scores] == pytest.approx(
            [score.probability for score in other.scores], abs=1e-5
        )
    ledger.close()


def test_bench_measures_the_only_batch_that_the_package_takes(site):
    made = bench(site.every, Reading(provider="cpu", threads=1), quick=True)
    assert [pace.batch for pace in made.paces] == [2]
