"""Storage commitment with Orthanc, both ways, and with an archive that keeps nothing."""

import json
from dataclasses import dataclass, field

import pytest

from tests.support.node import running_daemon
from tests.support.objects import Exam, Patient, save_all, study_of
from tests.support.peers import running_orthanc, running_storescp
from tests.support.phantoms import wrist
from tests.support.tools import free_port, storescu, wait_until

pytestmark = pytest.mark.acceptance


@dataclass
class Committing:
    """A peer of which storage commitment is wanted."""

    port: int
    ae_title: str = "PACS"
    options: dict = field(default_factory=lambda: {"commitment": True})


def _study(name, folder):
    exam = Exam(Patient(f"DRAWN^{name}", name), study=name)
    return exam, save_all(study_of([("PA", wrist(spacing_mm=0.3))], exam), folder)


def _commitments(node):
    backlog = json.loads(node.wristd("status"))["backlog"]
    return {key: value for key, value in backlog.items() if key.startswith("commitments")}


def test_orthanc_promises_to_keep_every_result(tmp_path):
    with (
        running_orthanc(tmp_path / "pacs") as pacs,
        running_daemon(tmp_path / "node", [Committing(pacs.port)]) as node,
    ):
        pacs.knows(node.ae_title, node.port)
        exam, files = _study("PROMISE", tmp_path / "in")
        assert storescu(node.port, node.ae_title, *files)[0] == 0
        node.wait_for_outcomes([exam.study_uid])
        wait_until(lambda: not _commitments(node), "Orthanc's report", 30)
        assert any("storage commitment received for" in line for line in node.log)


def test_what_an_archive_throws_away_is_never_settled(tmp_path):
    with (
        running_storescp(tmp_path / "kept", "--ignore", ae_title="PACS") as port,
        running_daemon(tmp_path / "node", [Committing(port)]) as node,
    ):
        exam, files = _study("IGNORED", tmp_path / "in")
        assert storescu(node.port, node.ae_title, *files)[0] == 0
        node.wait_for_outcomes([exam.study_uid])
        wait_until(
            lambda: any("storage commitment put off" in line for line in node.log), "the refusal"
        )
        assert sum(_commitments(node).values()) > 0


def test_orthanc_is_told_what_this_node_keeps(tmp_path):
    port = free_port()
    with (
        running_orthanc(
            tmp_path / "pacs",
            DicomModalities={
                "WRISTD": {
                    "AET": "WRISTD",
                    "Host": "127.0.0.1",
                    "Port": port,
                    "AllowStorageCommitment": True,
                }
            },
        ) as pacs,
        running_daemon(tmp_path / "node", [pacs], {"receiver": {"port": port}}) as node,
    ):
        exam, files = _study("KEPT", tmp_path / "in")
        pacs.keep(files)
        [study] = pacs.rest(
            "/tools/find", {"Level": "Study", "Query": {"StudyInstanceUID": exam.study_uid}}
        )
        job = {"Resources": [study], "StorageCommitment": True, "Synchronous": True}
        transaction = pacs.rest("/modalities/WRISTD/store", job)["StorageCommitmentTransactionUID"]
        report = {}

        def reported():
            report.update(pacs.rest(f"/storage-commitment/{transaction}"))
            return report["Status"] != "Pending"

        wait_until(reported, "our report", 30)
        assert report["Status"] == "Success"
        assert len(report["Success"]) == 1
        node.wait_for_outcomes([exam.study_uid])
