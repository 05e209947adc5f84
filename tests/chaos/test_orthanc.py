"""Orthanc sends the studies and keeps the results, while the daemon is killed."""

import random
import threading
import time

import numpy as np
import pytest

from daemon.ledger.ledger import Ledger
from tests.chaos.account import evidence, is_report, settle
from tests.chaos.conftest import hasty
from tests.chaos.victim import victims
from tests.support.objects import Exam, Patient, save_all, study_of
from tests.support.peers import running_orthanc
from tests.support.tools import PeerError, free_port, wait_until

pytestmark = pytest.mark.acceptance

STUDIES = 8
KILLS = 6


def _keep(pacs, folder):
    """Put studies into Orthanc; return their images by study."""
    images = {}
    for number in range(STUDIES):
        exam = Exam(Patient(f"CHAOS^{number}", f"CHAOS-{number}"), study=f"orthanc {number}")
        picture = np.random.default_rng(number).integers(500, 4000, (64, 48)).astype(np.uint16)
        objects = study_of([("PA", picture), ("LAT", picture)], exam)
        pacs.keep(save_all(objects, folder / str(number)))
        images[exam.study_uid] = {str(one.SOPInstanceUID) for one in objects}
    return images


def _forward(pacs, study_uids):
    """Forward each study until Orthanc says that all of it was accepted."""
    pause = threading.Event()
    for study_uid in study_uids:
        while True:
            try:
                pacs.forward(study_uid, "WRISTD")
                break
            except (PeerError, OSError):
                pause.wait(0.1)


def _results(pacs, study_uids):
    return [one for uid in study_uids for one in pacs.objects(uid) if one.Modality != "DX"]


def test_killed_under_orthanc_nothing_promised_is_lost(tmp_path, tiny_package):
    began, port, chance = time.monotonic(), free_port(), random.Random(5)
    settings = tmp_path / "settings.toml"
    with running_orthanc(tmp_path / "pacs") as pacs, victims(settings) as (one,):
        pacs.knows("WRISTD", port)
        images = _keep(pacs, tmp_path / "in")
        settings.write_text(hasty(tmp_path / "state", port, [tiny_package], pacs))
        sender = threading.Thread(target=_forward, args=(pacs, list(images)), daemon=True)
        one.start()
        one.await_ready()
        sender.start()
        for _ in range(KILLS):
            one.await_death(within_s=2.0 * chance.random())
            one.kill()
            one.start()
            one.await_ready()
        sender.join(180)
        assert not sender.is_alive()

        def all_reported():
            read = [evidence(report) for report in _results(pacs, images) if is_report(report)]
            return all(wanted in read for wanted in images.values())

        wait_until(all_reported, "a report on every study", 180)
        one.stop()
        kept = {str(result.SOPInstanceUID): [result] for result in _results(pacs, images)}
        account = settle(images, kept, [tmp_path / "state"])
        print(f"\nOrthanc: {KILLS} kills in {time.monotonic() - began:.0f} s, {account}")
        assert account.is_clean, account
        ledger = Ledger(tmp_path / "state" / "ledger.sqlite")
        assert ledger.waiting() == []
        ledger.close()
