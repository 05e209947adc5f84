"""Pull mode and STOW-RS against Orthanc."""

import json
import subprocess
import sys

import pytest
from pydicom import dcmread
from pydicom.uid import UID

from daemon.ledger.ledger import Ledger
from tests.support.node import fast_settings, running_daemon, settings_text
from tests.support.objects import Exam, Patient, save_all, study_of
from tests.support.peers import ORTHANC_DICOMWEB, running_orthanc
from tests.support.phantoms import wrist
from tests.support.tools import free_port, storescu, wait_until

pytestmark = pytest.mark.acceptance

PLUGINS = [str(ORTHANC_DICOMWEB)]
DAYS = ("--from", "2025-03-01", "--to", "2025-03-31")


def _studies(folder, names, body_part="WRIST"):
    exams = [Exam(Patient(f"PULL^{name}", name), name, body_part) for name in names]
    files = [
        file
        for exam in exams
        for file in save_all(
            study_of([("PA", wrist(spacing_mm=0.3))], exam), folder / exam.patient.patient_id
        )
    ]
    return exams, files


@pytest.mark.parametrize("kind", ["move", "get", "wado"])
def test_wanted_studies_are_fetched_once_and_read(tmp_path, kind):
    port = free_port()
    with running_orthanc(tmp_path / "pacs", Plugins=PLUGINS) as pacs:
        pacs.knows("WRISTD", port)
        exams, files = _studies(tmp_path / "in", ["ONE", "TWO"])
        _others, chests = _studies(tmp_path / "in", ["CHEST"], "CHEST")
        pacs.keep([*files, *chests])
        dimse = {"ae_title": "PACS", "host": "127.0.0.1", "port": pacs.port}
        web = {"url": f"http://127.0.0.1:{pacs.http_port}/dicom-web"}
        source = {"kind": kind, "name": "archive", **(web if kind == "wado" else dimse)}
        pull = {"studies_per_hour": 1.0}  # the second study would come an hour after the first
        sections = {"receiver": {"port": port}, "pull": pull, "sources": [source]}
        with running_daemon(tmp_path / "node", [pacs], sections) as node:
            said = node.wristd("fetch", "archive", "--now", *DAYS)
            assert "2 studies noted" in said
            assert json.loads(said.splitlines()[-1]) == {"retrieved": 2}
            assert "0 studies noted" in node.wristd("fetch", "archive", "--now", *DAYS)
            states = node.wait_for_outcomes([exam.study_uid for exam in exams])
            assert len(states) == 2


def _fetch(folder, pacs, source, *sources):
    """Fetch into a state of its own, which no daemon runs on; return what the command wrote."""
    folder.mkdir(exist_ok=True)
    file = folder / "settings.toml"
    file.write_text(settings_text(fast_settings({"sources": sources}), [pacs]))
    words = [sys.executable, "-m", "daemon", "fetch", source, "--now", *DAYS, "--config", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_a_study_that_holds_results_of_ours_is_fetched_and_goes_over_the_wire_once(tmp_path):
    with running_orthanc(tmp_path / "pacs") as pacs:
        report = {"presentation_state": True}
        with running_daemon(tmp_path / "node", [pacs], {"report": report}) as node:
            [exam], files = _studies(tmp_path / "in", ["RESULTS"])
            pacs.keep(files)
            assert storescu(node.port, node.ae_title, *files)[0] == 0
            node.wait_for_outcomes([exam.study_uid])
        pacs.knows("WRISTD", free_port())
        pacs.keep([_private_object(files[0], tmp_path / "private.dcm")])
        classes = {str(one.SOPClassUID) for one in pacs.objects(exam.study_uid)}
        assert len(classes) >= 4, "image, private object, report, picture"
        source = {
            "kind": "get", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs.port,
        }  # fmt: skip
        sources = [{"name": "first", **source}, {"name": "second", **source}]
        counts, said = _fetch(tmp_path / "other", pacs, "first", *sources)
        assert counts == {"retrieved": 1}, said
        assert "1 of 1 studies, " in said
        ledger = Ledger(tmp_path / "other" / "state" / "ledger.sqlite")
        assert len(ledger.files()) == 1
        ledger.close()
        counts, said = _fetch(tmp_path / "other", pacs, "second", *sources)
        assert counts == {"known": 1}, said
        assert "study not fetched: what is wanted of it is here already" in said


def _private_object(image, file):
    """An object of a class that nobody offers, in the series of the image."""
    one = dcmread(image)
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = UID("1.3.12.2.1107.5.9.1")
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = UID(f"{one.SOPInstanceUID}.9")
    one.save_as(file)
    return file


def test_two_destinations_of_different_kinds_get_the_same_results(tmp_path):
    with (
        running_orthanc(tmp_path / "pacs") as pacs,
        running_orthanc(tmp_path / "web", Plugins=PLUGINS) as other,
    ):
        url = f"http://127.0.0.1:{other.http_port}/dicom-web"
        web = [{"kind": "stow", "name": "web", "url": url}]
        with running_daemon(tmp_path / "node", [pacs], {"destinations": web}) as node:
            [exam], files = _studies(tmp_path / "in", ["STOW"])
            assert storescu(node.port, node.ae_title, *files)[0] == 0
            node.wait_for_outcomes([exam.study_uid])
            wait_until(lambda: len(pacs.objects(exam.study_uid)) > 1, "C-STORE")
            assert {one.SOPInstanceUID for one in other.objects(exam.study_uid)} == {
                one.SOPInstanceUID for one in pacs.objects(exam.study_uid)
            }
