"""A PACS that sends everything back to us: one analysis, and a counter that says why no more."""

import json

import pytest

from tests.support.node import running_daemon
from tests.support.objects import Exam, Patient, save_all, study_of
from tests.support.peers import running_orthanc
from tests.support.phantoms import wrist
from tests.support.tools import wait_until

pytestmark = pytest.mark.acceptance

EXAM = Exam(Patient("DRAWN^LOOP", "LOOP"), study="loop")
EVERYTHING_BACK = """
function OnStoredInstance(instance, tags, metadata, origin)
  SendToModality(instance, 'WRISTD')
end
"""


def test_a_pacs_that_forwards_everything_gets_one_analysis(tmp_path):
    script = tmp_path / "loop.lua"
    script.write_text(EVERYTHING_BACK)
    pictures = [(view, wrist(view, spacing_mm=0.3)) for view in ("PA", "LAT")]
    files = save_all(study_of(pictures, EXAM), tmp_path / "files")
    with (
        running_orthanc(tmp_path / "pacs", LuaScripts=[str(script)]) as pacs,
        running_daemon(tmp_path / "node", [pacs]) as node,
    ):
        pacs.knows(node.ae_title, node.port)
        pacs.keep(files)
        wait_until(lambda: EXAM.study_uid in node.studies(), "the PACS to forward the study")
        node.wait_for_outcomes([EXAM.study_uid])
        wait_until(lambda: _recognised(node) > 0, "our results to come back")
        settled = len(pacs.objects(EXAM.study_uid))
        results = settled - len(files)
        wait_until(lambda: _recognised(node) >= results, "all of our results to come back")
        node.wait_for_outcomes([EXAM.study_uid])
        state = node.studies()[EXAM.study_uid]
        assert state["instances"] == len(files)
        assert state["deliveries"] == {"delivered": results}
        assert len(pacs.objects(EXAM.study_uid)) == settled
        assert len(node.studies()) == 1


def _recognised(node):
    return json.loads(node.wristd("status"))["counters"].get("self_output", 0)
