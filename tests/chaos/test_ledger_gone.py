"""The ledger of a running daemon is deleted: it says so and ends, and a start finds everything."""

import subprocess
import sys

import numpy as np

from daemon.ending import EXIT_AGAIN
from tests.support.fakes import Archive, Modality
from tests.support.node import Node, fast_settings, model_block, running_daemon, settings_text
from tests.support.objects import Exam, Patient, dx

NOTICED_WITHIN_S = 60.0


def image(name):
    picture = np.random.default_rng(1).integers(0, 4000, (96, 80)).astype(np.uint16)
    return dx(picture, exam=Exam(Patient(), study=name))


def test_what_was_acknowledged_after_the_ledger_was_deleted_is_read_after_the_restart(
    tmp_path, tiny_package
):
    sections = {
        "receiver": {"min_free_bytes": 0, "warn_free_bytes": 0},
        "models": [model_block(tiny_package)],
        "reading": {"provider": "cpu"},
        "assembly": {"quiet_period_s": 1.0, "sweep_interval_s": 0.2},
        "report": {"heat_map": False},
    }
    before, after = image("before"), image("after")
    with Archive(ae_title="PACS") as archive:
        file = tmp_path / "settings.toml"
        file.write_text(settings_text(fast_settings(sections), [archive]))
        command = [sys.executable, "-m", "daemon", "--config", str(file)]
        node = Node(file, subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        try:
            node.await_ready()
            assert Modality(node.port).send(before)[0].Status == 0
            for ledger in (tmp_path / "state").glob("ledger.sqlite*"):
                ledger.unlink()
            assert Modality(node.port).send(after)[0].Status == 0
            assert node.process.wait(NOTICED_WITHIN_S) == EXIT_AGAIN
        finally:
            node.kill()
        node.reader.join(10.0)
        [said] = [line for line in node.log if " ERROR " in line]
        assert "was deleted: the daemon ends, and a new start mends it" in said
        with running_daemon(tmp_path, [archive], sections) as again:
            studies = [str(one.StudyInstanceUID) for one in (before, after)]
            outcomes = again.wait_for_outcomes(studies)
            assert {outcomes[study]["state"] for study in studies} == {"done"}
            assert '"alert": "alert_ledger_was_new"' in again.wristd("status")
