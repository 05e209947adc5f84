"""Stages inside a package: landmarks, a crop in millimetres, ensembles and fused views."""

import json
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.dicom.parse import read_header
from daemon.errors import Misconfigured
from daemon.ledger.ledger import Ledger
from daemon.reading.analysis.by_view import analysis_of
from daemon.reading.device.opening import open_networks
from daemon.reading.meant import Meant
from daemon.reading.reader import Reader
from daemon.reading.signalling import InLedger
from daemon.records import Category, Instance, Job, Note, Reason
from daemon.results.region import evidence_on_source, region_of
from daemon.settings import Reading
from model.chain_package import write_chain
from model.package import MANIFEST_FILE
from tests.support.chains import CROP, NOTCH_MM, Phantom, classifier, described, localiser
from tests.support.fakes import Archive
from tests.support.node import model_block, running_daemon, settings_text
from tests.support.objects import Exam, Patient, dx, save
from tests.support.opening import decode_here, describe_here
from tests.support.tools import storescu

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
BROKEN, WHOLE = 0.98, 0.018
"""Scores of a phantom with a notch (1/36 of the crop, gain 300, bias -4) and without."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    return {
        "find": localiser(folder),
        "one": classifier(folder, "one"),
        "meek": classifier(folder, "meek", gain=150.0, temperature=2.0),
        "other": classifier(folder, "other", gain=200.0, bias=-5.0),
    }


LOCALISED = {"localiser": "find", "crop": CROP, "least_peak": 0.25}


def chain(folder, stages, branches, **changes):
    used = {name for one in branches for name in (*one["members"], one.get("localiser")) if name}
    chosen = {name: stages[name] for name in used}
    return write_chain(folder / "chain", chosen, described(branches, **changes), "")


@pytest.fixture
def read(tmp_path, stages):
    """Read films with a chain, on guarded networks, as the daemon does."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:

        def run(branches, datasets, **changes):
            package = chain(tmp_path, stages, branches, **changes)
            settings = Reading(provider="cpu", threads=1, batch_size=2)
            reader = Reader(
                package=package,
                analysis=analysis_of(open_networks(settings, package, InLedger(ledger), "w")),
                spool=tmp_path,
                settings_digest="s",
                decode=decode_here,
                describe=describe_here,
                meant=Meant(package.manifest, settings, lambda _name: None),
            )
            return reader.read(job(tmp_path, datasets), NOW)

        yield run


def job(folder, datasets):
    instances = []
    for number, dataset in enumerate(datasets):
        file = save(dataset, folder / f"{number}.dcm")
        uids = (str(dataset.SOPInstanceUID), str(dataset.SOPClassUID))
        instances.append(Instance(number, *uids, "p", file.name, "a" * 64, read_header(file)))
    uid = str(datasets[0].StudyInstanceUID)
    return Job(1, uid, 1, "w", NOW + timedelta(seconds=60), tuple(instances))


def film(phantom, view="PA", number=1, exam=None, spaced=True):
    made = dx(phantom.draw(), view, exam or Exam(), number=number)
    made.PixelSpacing = made.ImagerPixelSpacing = list(phantom.pixel)
    if not spaced:
        for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
            delattr(made, keyword)
    return made


PLACES = [
    Phantom(),
    Phantom(degrees=35, at=(75, 60)),
    Phantom(degrees=-120, pixel=(0.8, 0.8), at=(50, 90)),
    Phantom(degrees=90, pixel=(0.4, 0.6)),
    Phantom(degrees=180, pixel=(0.3, 0.3), film_mm=(200, 160), at=(100, 120)),
    Phantom(degrees=10, pixel=(1.0, 1.0), film_mm=(110, 140), at=(90, 50)),
]


@pytest.mark.parametrize("broken", [True, False])
@pytest.mark.parametrize("phantom", PLACES)
def test_the_score_is_that_of_the_crop_wherever_and_however_large_it_lies(read, phantom, broken):
    [image] = read(
        [{"members": ["one"], **LOCALISED}], [film(replace(phantom, broken=broken))]
    ).images
    score = image.scores[0].probability
    share = (logit(score) + 4.0) / 300.0
    assert share == pytest.approx(broken / 36, abs=0.2 / 36), "its edges are blurred"
    first, second = image.landmarks["bright_disc"], image.landmarks["grey_disc"]
    assert np.array(first) * phantom.pixel[::-1] == pytest.approx(
        phantom.on_film(0, -15) * phantom.pixel[::-1], abs=0.6
    )
    assert np.array(second) * phantom.pixel[::-1] == pytest.approx(
        phantom.on_film(0, 15) * phantom.pixel[::-1], abs=0.6
    )


@pytest.mark.parametrize("phantom", PLACES)
def test_evidence_and_outline_lie_on_the_notch_in_source_pixels(read, phantom):
    [image] = read([{"members": ["one"], **LOCALISED}], [film(phantom)]).images
    evidence = evidence_on_source(image, "fracture")
    assert evidence.shape == phantom.draw().shape
    y, x = np.mgrid[0 : evidence.shape[0], 0 : evidence.shape[1]] + 0.5
    width = np.array(phantom.pixel[::-1])
    middle = np.array([(evidence * x).sum(), (evidence * y).sum()]) / evidence.sum()
    assert middle * width == pytest.approx(phantom.notch * width, abs=1.0)
    box = region_of(image, "fracture")
    centre = np.array([box.left + box.right, box.top + box.bottom]) / 2
    assert centre * width == pytest.approx(phantom.notch * width, abs=1.5)
    across = (box.right - box.left) * width[0]
    assert NOTCH_MM - 2 < across < NOTCH_MM * np.sqrt(2) + 3


def logit(score):
    return np.log(score / (1 - score))


def alone(read, member):
    [image] = read([{"members": [member], **LOCALISED}], [film(Phantom())]).images
    return image.scores[0].probability


@pytest.mark.parametrize("mean", ["probabilities", "logits"])
def test_an_ensemble_is_the_mean_of_its_members(read, mean):
    each = np.array([alone(read, "one"), alone(read, "other")])
    assert each[0] - each[1] > 0.3
    branch = {"members": ["one", "other"], "mean": mean, **LOCALISED}
    [image] = read([branch], [film(Phantom())]).images
    score = image.scores[0].probability
    if mean == "probabilities":
        assert score == pytest.approx(each.mean())
    else:
        assert logit(score) == pytest.approx(logit(each).mean())
    assert image.evidence["fracture"].max() == pytest.approx(1.0)


def test_each_member_is_calibrated_by_its_own_temperature(read):
    share = (logit(alone(read, "one")) + 4.0) / 300.0
    assert logit(alone(read, "meek")) == pytest.approx((150.0 * share - 4.0) / 2.0, abs=1e-3)


VIEWS = [
    {"views": ["PA"], "members": ["one"], **LOCALISED},
    {"views": ["LAT"], "members": ["other"], **LOCALISED},
]
MEAN = {"views": ["PA", "LAT"], "rule": "mean"}


def pair(**lateral):
    return [film(Phantom()), film(Phantom(degrees=20, **lateral), "LAT", 2)]


@pytest.mark.parametrize(("rule", "expected"), [("mean", (BROKEN + 0.0067) / 2), ("max", BROKEN)])
def test_views_of_one_side_have_one_score(read, rule, expected):
    fusion = {"views": ["PA", "LAT"], "rule": rule}
    made = read(VIEWS, pair(broken=False), fusion=fusion)
    scores = [image.scores[0] for image in made.images]
    assert [score.probability for score in scores] == pytest.approx([expected] * 2, abs=0.03)
    assert [score.alone for score in scores] == pytest.approx([BROKEN, 0.0067], abs=0.03)
    assert made.category is scores[0].category is scores[1].category
    assert all(Note.VIEWS_FUSED in image.notes for image in made.images)


def test_with_one_view_only_the_score_is_that_views(read):
    [image] = read(VIEWS, pair()[:1], fusion=MEAN).images
    assert image.scores[0].probability == pytest.approx(BROKEN, abs=0.03)
    assert image.scores[0].alone is None


def test_a_view_without_landmarks_leaves_the_score_to_the_other(read):
    made = read(VIEWS, pair(discs=1), fusion=MEAN)
    assert [image.reason for image in made.images] == [None, Reason.LANDMARKS_MISSING]
    assert made.images[0].scores[0].probability == pytest.approx(BROKEN, abs=0.03)
    assert made.images[1].radiograph is not None


def test_two_sides_are_not_fused(read):
    right = film(Phantom(broken=False), "LAT", 2, Exam(laterality="R"))
    made = read(VIEWS, [film(Phantom()), right], fusion=MEAN)
    assert [image.category for image in made.images] == [Category.POSITIVE, Category.NEGATIVE]


@pytest.mark.parametrize(
    ("made", "changes", "reason"),
    [
        (lambda: film(Phantom(discs=1)), {}, Reason.LANDMARKS_MISSING),
        (lambda: film(Phantom(discs=0)), {}, Reason.LANDMARKS_MISSING),
        (lambda: film(Phantom(), spaced=False), {}, Reason.NO_SPACING),
        (lambda: film(Phantom(), "OBL"), {}, Reason.VIEW_NOT_READ),
        (lambda: film(Phantom(), ""), {}, Reason.VIEW_NOT_READ),
        (lambda: film(Phantom()), {"offset_mm": [70, 0]}, Reason.REGION_OUTSIDE),
        (lambda: film(Phantom()), {"size_mm": 4}, Reason.TOO_SMALL),
    ],
)
def test_what_cannot_be_cropped_is_not_analysed_and_says_why(read, made, changes, reason):
    branch = {"views": ["PA"], "members": ["one"], **LOCALISED, "crop": CROP | changes}
    reading = read([branch], [made()])
    assert (reading.category, reading.reason) == (Category.NOT_ANALYSED, reason)
    assert reading.images[0].scores == ()


def test_without_a_spacing_two_landmarks_may_tell_the_scale(read):
    scaled = CROP | {"without_spacing": {"landmarks": [0, 1], "length_mm": 30}}
    branch = {"members": ["one"], **LOCALISED, "crop": scaled}
    [image] = read([branch], [film(Phantom(degrees=35), spaced=False)]).images
    assert image.scores[0].probability == pytest.approx(BROKEN, abs=0.03)


def test_many_images_keep_their_order_though_some_are_refused(read):
    films = [
        film(Phantom(broken=number % 2 == 0, discs=1 if number == 2 else 2), number=number + 1)
        for number in range(5)
    ]
    made = read([{"members": ["one"], **LOCALISED}], films)
    assert [image.category for image in made.images] == [
        Category.POSITIVE,
        Category.NEGATIVE,
        Category.NOT_ANALYSED,
        Category.NEGATIVE,
        Category.POSITIVE,
    ]


def study(folder, name, films):
    exam = Exam(Patient(f"P^{name}", name), study=name)
    made = [film(one, view, number, exam) for number, (view, one) in enumerate(films, 1)]
    files = [save(one, folder / f"{name}-{n}.dcm") for n, one in enumerate(made)]
    return exam.study_uid, files


def texts(item):
    """Return all texts of a content tree."""
    inner = [words for one in item.get("ContentSequence", ()) for words in texts(one)]
    return [item.TextValue, *inner] if "TextValue" in item else inner


def image_of(region):
    return region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def test_a_daemon_reads_a_chain_and_its_reports_say_where(tmp_path, stages):
    package = chain(tmp_path, stages, VIEWS, fusion=MEAN).folder
    turned = Phantom(degrees=70, at=(70, 80), pixel=(0.4, 0.4))
    folder = tmp_path / "in"
    folder.mkdir()
    both, both_files = study(folder, "both", [("PA", turned), ("LAT", Phantom(broken=False))])
    lost, lost_files = study(folder, "lost", [("PA", Phantom(discs=1))])
    sections = {
        "models": [model_block(package)],
        "reading": {"provider": "cpu", "threads": 1},
    }
    with (
        Archive() as archive,
        running_daemon(tmp_path / "node", [archive], sections) as node,
    ):
        assert storescu(node.port, node.ae_title, *both_files, *lost_files)[0] == 0
        states = node.wait_for_outcomes([both, lost])
        status = node.wristd("status")
    assert states[both]["category"] == "doubt"
    assert states[lost]["reason"] == "landmarks not found"
    assert "find " in status
    objects = [copies[0] for copies in archive.kept.values()]
    [report] = [
        one
        for one in objects
        if one.SOPClassUID == Comprehensive3DSRStorage and one.StudyInstanceUID == both
    ]
    file = save(report, tmp_path / "report.dcm")
    groups = highdicom.sr.srread(file).content.get_planar_roi_measurement_groups()
    assert len(groups) == 2
    values = [float(group.get_measurements()[0].value) for group in groups]
    assert values == pytest.approx([(BROKEN + 0.0067) / 2] * 2, abs=0.03)
    frontal = dcmread(both_files[0]).SOPInstanceUID
    [region] = [one.roi for one in groups if image_of(one.roi) == frontal]
    corners = np.array(region.GraphicData).reshape(-1, 2)
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    assert middle == pytest.approx(turned.notch, abs=5)
    assert sum(words.startswith("Score of this image alone: 0.9") for words in texts(report)) == 1


@pytest.mark.parametrize(("name", "key"), [("find", "golden"), ("one", "logits")])
def test_a_stage_with_another_golden_answer_is_refused_in_words(tmp_path, stages, name, key):
    folder = tmp_path / "copy" / name
    shutil.copytree(stages[name], folder)
    content = json.loads((folder / MANIFEST_FILE).read_text())
    changed = content["golden"] if key == "golden" else [content["golden"][key]]
    changed[0][0] += 0.1
    (folder / MANIFEST_FILE).write_text(json.dumps(content))
    package = chain(tmp_path, stages | {name: folder}, [{"members": ["one"], **LOCALISED}])
    settings = Reading(provider="cpu", threads=1)
    words = f"chain/{name}: the golden input is answered 0.1 away from its stored answer"
    with (
        closing(Ledger(tmp_path / "ledger.sqlite")) as ledger,
        pytest.raises(Misconfigured, match=words),
    ):
        open_networks(settings, package, InLedger(ledger), "w")


def test_bench_and_check_know_a_chain(tmp_path, stages):
    package = chain(tmp_path, stages, [{"members": ["one"], **LOCALISED}]).folder
    file = tmp_path / "settings.toml"
    sections = {"models": [model_block(package)], "reading": {"provider": "cpu", "threads": 1}}
    file.write_text(settings_text(sections, [SimpleNamespace(ae_title="PACS", port=4242)]))
    plot = ["--quick", "--plot", str(tmp_path / "curve.png")]
    measured = CliRunner().invoke(app, ["bench", *plot, "--config", str(file)])
    assert measured.exit_code == 0, measured.output
    assert all(f"{name} 1 on CPU" in measured.output for name in ("find", "one"))
    assert (tmp_path / "curve-find.png").exists()
    checked = CliRunner().invoke(app, ["check", "--config", str(file)])
    assert "drawn-chain 1, verified" in checked.output
