"""Pull mode and STOW-RS against Orthanc."""

import json

import pytest

from tests.node import running_daemon
from tests.objects import Exam, Patient, save_all, study_of
from tests.peers import ORTHANC_DICOMWEB, running_orthanc
from tests.phantoms import wrist
from tests.tools import free_port, storescu, wait_until

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


@pytest.mark.parametrize("way", ["move", "get", "web"])
def test_wanted_studies_are_fetched_once_and_read(tmp_path, way):
    port = free_port()
    with running_orthanc(tmp_path / "pacs", Plugins=PLUGINS) as pacs:
        pacs.knows("WRISTD", port)
        exams, files = _studies(tmp_path / "in", ["ONE", "TWO"])
        _others, chests = _studies(tmp_path / "in", ["CHEST"], "CHEST")
        pacs.keep([*files, *chests])
        dimse = {"name": "archive", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs.port}
        web = {"name": "archive", "url": f"http://127.0.0.1:{pacs.http_port}/dicom-web"}
        pull = {
            "sources": [] if way == "web" else [{**dimse, "retrieve": way}],
            "web": [web] if way == "web" else [],
            "studies_per_hour": 36000.0,
        }
        sections = {"receiver": {"port": port}, "pull": pull}
        with running_daemon(tmp_path / "node", [pacs], sections) as node:
            said = node.wristd("fetch", "archive", *DAYS)
            assert "2 studies noted" in said
            assert json.loads(said.splitlines()[-1]) == {"retrieved": 2}
            assert "0 studies noted" in node.wristd("fetch", "archive", *DAYS)
            states = node.wait_for_outcomes([exam.study_uid for exam in exams])
            assert len(states) == 2


def test_results_arrive_by_stow_too(tmp_path):
    with (
        running_orthanc(tmp_path / "pacs") as pacs,
        running_orthanc(tmp_path / "web", Plugins=PLUGINS) as other,
    ):
        web = [{"name": "web", "url": f"http://127.0.0.1:{other.http_port}/dicom-web"}]
        with running_daemon(tmp_path / "node", [pacs], {"delivery": {"web": web}}) as node:
            [exam], files = _studies(tmp_path / "in", ["STOW"])
            assert storescu(node.port, node.ae_title, *files)[0] == 0
            node.wait_for_outcomes([exam.study_uid])
            wait_until(lambda: len(pacs.objects(exam.study_uid)) > 1, "C-STORE")
            assert {one.SOPInstanceUID for one in other.objects(exam.study_uid)} == {
                one.SOPInstanceUID for one in pacs.objects(exam.study_uid)
            }
