"""`wristd read`: what the daemon makes of files, without a daemon; and what bad files come to."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, JPIPHTJ2KReferenced

from daemon.intake.store.part10 import file_start
from daemon.logs import study_key
from daemon.operate.offline.account import Account
from daemon.reasons import Reason
from model.package import write_package
from tests.cases import films, hostile, studies
from tests.cases.films import CANARIES, film, study_uid, with_values
from tests.cases.site import running_site
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.node import fast_settings, model_block, settings_text
from tests.support.objects import save, save_all
from tests.support.receiving import raw

POINTS = {
    "finding": "fracture",
    "high_sensitivity": 0.3,
    "high_specificity": 0.7,
    "reason": "drawn films",
}
MOVED, TWO_VIEWS, WITHIN_S = "moved", "two views", 120.0
_TIMES = ("DA", "TM", "DT")


def wristd_read(settings, *words):
    command = [sys.executable, "-m", "daemon", "read", *map(str, words), "--config", str(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def account(folder):
    text = (folder / "results.json").read_text()
    Account.model_validate_json(text)
    return json.loads(text)


def by_study(said):
    return {one["study_uid"]: one for one in said["studies"]}


def fates(said):
    return {Path(one["file"]).name: (one["fate"], one["reason"]) for one in said["files"]}


# --- the same outcome as the daemon's


def several():
    """Studies with every kind of outcome, the objects of each in the order in which they come."""
    kept, away = film(MOVED, number=1), film(MOVED, number=2)
    moved = with_values(film(MOVED, number=2), StudyInstanceUID=study_uid("to here"))
    return {
        **{of: [film(of, of)] for of in films.PICTURES},
        TWO_VIEWS: [film(TWO_VIEWS, "quiet", 1), film(TWO_VIEWS, "broken", 2)],
        "part CHEST": [films.of_body_part("CHEST")],
        "part SKULL": [films.of_body_part("SKULL")],
        **{f"quality control {place}": [one] for place, one in films.quality_control().items()},
        **{f"narrow {size}": [one] for size, one in films.narrow().items()},
        studies.BOTH_FORMS: studies.both_forms(),
        studies.MENDED: studies.mended()[0],
        studies.CORRECTED: [studies.corrected(studies.TEMPORARY), studies.corrected(studies.KNOWN)],
        MOVED: [kept, away, moved],
        "twice": [film("twice"), film("twice")],
        "two frames": [with_values(film("two frames"), NumberOfFrames="2")],
    }


SECTIONS = {
    "assembly": {"quiet_period_s": 3.0},
    "reading": {"decoders": 1, "provider": "cpu", "threads": 1, "batch_size": 1},
    "models": [
        model_block(operating_points=[POINTS], when={"body_parts": ["WRIST"]}),
        model_block(name="second", also=True, when={"calling": ["MODALITY"], "views": ["LAT"]}),
        model_block("no/such/package", name="chest", when={"body_parts": ["CHEST"]}),
    ],
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What the daemon made of the objects, and what the command made of the same as files."""
    root = tmp_path_factory.mktemp("both")
    given = several()
    for number, objects in enumerate(given.values()):
        save_all(objects, root / "in" / f"{number:02}")
    settings = root / "node" / "settings.toml"
    with running_site(root / "node", SECTIONS) as site:
        site.send_all(given)
        site.settle([*map(study_uid, given), study_uid("to here")], WITHIN_S)
        done = wristd_read(settings, root / "in", "--out", root / "out", "--calling", "MODALITY")
        assert done.returncode == 0, done.stderr
        states = site.states()
        kept = {uid: copies[0] for uid, copies in site.archive.kept.items()}
    return states, kept, account(root / "out"), root / "out", done


def test_every_study_has_the_outcome_that_the_daemon_gives(both):
    states, _, said, _, _ = both
    expected = {uid: (one["category"], one["reason"]) for uid, one in states.items()}
    found = {uid: (one["outcome"], one["reason"]) for uid, one in by_study(said).items()}
    assert found == expected
    assert {one for one, _ in found.values()} == {"positive", "negative", "not analysed"}
    reasons = {Reason.NO_MODEL, Reason.MODEL_OFFLINE, Reason.IDENTITY_CONFLICT, Reason.TOO_SMALL}
    assert reasons <= {reason for _, reason in found.values()}


def test_so_has_every_model_with_the_same_scores(both):
    states, _, said, _, _ = both
    for study_uid_, one in by_study(said).items():
        expected = {
            model["model"]: (model["category"], model["reason"], model["highest_score"])
            for model in states[study_uid_]["models"]
        }
        found = {
            model["model"]: (model["outcome"], model["reason"], highest(model))
            for model in one["models"]
        }
        assert found.keys() == expected.keys()
        for name, (category, reason, score) in expected.items():
            assert found[name] == (category, reason, score and pytest.approx(score, abs=1e-5))
    models = [model for one in said["studies"] for model in one["models"]]
    assert {"doubt", "not analysed"} <= {model["outcome"] for model in models}


def highest(model):
    scores = [score["probability"] for image in model["images"] for score in image["scores"]]
    return max(scores, default=None)


def test_the_same_objects_are_made_under_the_same_uids(both):
    _, kept, said, folder, _ = both
    results = [
        result
        for study in said["studies"]
        for model in study["models"]
        for result in model["results"]
    ]
    assert {one["sop_instance_uid"] for one in results} == kept.keys()
    reports = [one for one in results if one["kind"] == "report"]
    assert len(reports) > len(several())
    for one in reports:
        mine, theirs = dcmread(folder / one["file"]), kept[one["sop_instance_uid"]]
        assert without_times(mine) == without_times(theirs)


def without_times(dataset):
    dataset.walk(lambda inside, element: inside.pop(element.tag) if is_time(element) else None)
    return dataset.to_json_dict()


def is_time(element):
    return element.VR in _TIMES and "Patient" not in element.keyword


def test_duplicates_and_replaced_content_are_known_as_such(both):
    _, _, said, _, _ = both
    assert sorted(one["fate"] for one in said["files"] if one["fate"] != "read") == [
        "duplicate",
        "replaced",
        "replaced",
    ]


def test_nothing_but_the_objects_names_the_patient(both):
    _, _, said, folder, done = both
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    text = "\n".join([json.dumps(said), done.stdout, done.stderr, *names])
    assert not [canary for canary in CANARIES if canary in text]
    assert {name.split("/")[0] for name in names} <= {
        "results.json",
        *map(study_key, by_study(said)),
    }


# --- what is given, and what it comes to; with a network that is loaded at once


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    graph = write_graph(folder / "graph.onnx", gain=20.0)
    return write_package(folder / "package", graph, tiny_manifest(graph), "").folder


@pytest.fixture
def settings(tmp_path, package):
    class Peer:
        ae_title, port = "PACS", 104

    (tmp_path / "site").mkdir()
    file = tmp_path / "site" / "settings.toml"
    sections = {"models": [model_block(package)], "reading": {"provider": "cpu"}}
    file.write_text(settings_text(fast_settings(sections), [Peer()]))
    return file


def save_offer(offer, file):
    file.write_bytes(file_start(offer) + bytes(offer.data_set))


def test_hostile_files_are_refused_each_in_one_line_and_the_others_are_read(settings, tmp_path):
    given = tmp_path / "in"
    save_all([film("good")], given)
    whole = save(film("cut"), given / "cut.dcm")
    whole.write_bytes(whole.read_bytes()[:-5000])
    (given / "notes\nforged.txt").write_text("notes")
    (given / "empty.dcm").touch()
    (given / "loop.dcm").symlink_to("loop.dcm")
    os.mkfifo(given / "pipe.dcm")
    save_offer(hostile.bombs(1)["bomb 0"], given / "bomb.dcm")
    odd = replace(raw(film("odd syntax")), transfer_syntax=JPIPHTJ2KReferenced)
    save_offer(odd, given / "odd.dcm")
    done = wristd_read(settings, given, tmp_path / "absent.dcm", "--out", tmp_path / "out")
    said = account(tmp_path / "out")
    expected = {
        "001.dcm": ("read", None),
        "cut.dcm": ("refused", "data set is truncated"),
        "notes\\nforged.txt": ("refused", "file does not begin as a DICOM file"),
        "empty.dcm": ("refused", "file does not begin as a DICOM file"),
        "loop.dcm": ("refused", "cannot be read: Too many levels of symbolic links"),
        "pipe.dcm": ("refused", "is neither a file nor a folder"),
        "bomb.dcm": ("read", None),
        "odd.dcm": ("refused", "transfer syntax is none that is read"),
        "absent.dcm": ("refused", "cannot be read: No such file or directory"),
    }
    assert fates(said) == expected
    assert done.returncode == 1
    refused = [line for line in done.stderr.splitlines() if ": refused: " in line]
    assert len(refused) == len([fate for fate, _ in expected.values() if fate == "refused"])
    assert by_study(said)[study_uid("good")]["outcome"] != "not analysed"


def test_a_folder_of_thousands_of_other_files_is_no_trouble(settings, tmp_path):
    given = tmp_path / "in"
    given.mkdir()
    for number in range(3000):
        (given / f"{number:04}.jpg").write_bytes(b"\xff\xd8\xff" * 100)
    with (given / "large.img").open("wb") as stream:
        stream.truncate(1 << 40)
    done = wristd_read(settings, given, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("nothing to read")
    said = account(tmp_path / "out")
    assert (len(said["files"]), said["studies"]) == (3001, [])


def test_other_dicom_objects_and_results_of_ours_are_ignored_and_no_error(settings, tmp_path):
    given = tmp_path / "in"
    other = film("other")
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = CTImageStorage
    save_all([film("good", "broken"), other], given)
    first = wristd_read(settings, given, "--out", given / "first")
    assert first.returncode == 0
    for other_file in [*given.rglob("*.png"), *given.rglob("*.json")]:
        other_file.unlink()
    done = wristd_read(settings, given, "--out", tmp_path / "out")
    said = fates(account(tmp_path / "out"))
    assert done.returncode == 0
    assert said["002.dcm"] == ("ignored", "no CR or DX image")
    assert (
        said["wrist-report.dcm"] == said["wrist-summary.dcm"] == ("ignored", "a result of wristd")
    )


def test_the_same_files_give_the_same_account_but_for_the_time(settings, tmp_path):
    save_all([film("a", "broken"), film("b", "quiet")], tmp_path / "in")

    def read_into(name):
        assert wristd_read(settings, tmp_path / "in", "--out", tmp_path / name).returncode == 0
        said = account(tmp_path / name)
        times = [said.pop("read_at")]
        times += [model.pop("read_at") for one in said["studies"] for model in one["models"]]
        return said, times

    (first, then), (second, later) = read_into("first"), read_into("second")
    assert first == second
    assert then != later


def test_pictures_can_be_looked_at_without_a_viewer(settings, tmp_path):
    save_all([film("a", "broken")], tmp_path / "in")
    wristd_read(settings, tmp_path / "in", "--out", tmp_path / "out")
    [study] = account(tmp_path / "out")["studies"]
    [model] = study["models"]
    folder, shown = study["study"], {one["kind"]: one["picture"] for one in model["results"]}
    assert shown["report"] is None
    assert shown["summary"] == f"{folder}/wrist-summary.png"
    for picture in filter(None, shown.values()):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_holds_anything_is_left_as_it_is(settings, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    done = wristd_read(settings, save(film("a"), tmp_path / "a.dcm"), "--out", out)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "--out: the folder is not empty, and nothing in it is overwritten\n"
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_settings_that_cannot_be_used_end_with_78_and_leave_no_folder(settings, tmp_path):
    (tmp_path / "site" / "bad.toml").write_text(settings.read_text().replace("quiet_", "quite_"))
    done = wristd_read(tmp_path / "site" / "bad.toml", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 78
    assert "quite_period_s: is unknown" in done.stderr
    assert not (tmp_path / "out").exists()


def test_it_leaves_no_state_and_needs_no_destination(settings, tmp_path):
    save_all([film("a")], tmp_path / "in")
    assert wristd_read(settings, tmp_path / "in", "--out", tmp_path / "out").returncode == 0
    assert [path.name for path in settings.parent.iterdir()] == ["settings.toml"]
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "site"}


def test_a_site_that_holds_changed_content_gets_it_held(settings, tmp_path):
    text = settings.read_text().replace("[assembly]", '[assembly]\nchanged_content = "hold"')
    settings.write_text(text)
    both_ways = [studies.corrected(studies.TEMPORARY), studies.corrected(studies.KNOWN)]
    save_all(both_ways, tmp_path / "in")
    wristd_read(settings, tmp_path / "in", "--out", tmp_path / "out")
    [study] = account(tmp_path / "out")["studies"]
    assert study["reason"] == Reason.CONTENT_CHANGED
    assert [model["results"] for model in study["models"]] == [[]]
