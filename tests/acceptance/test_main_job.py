"""The main job, seen from outside: the real daemon, Orthanc as PACS, DCMTK as senders."""

from dataclasses import replace

import pytest

from tests.support.claims import ANALYSED, NOT_ANALYSED, Answer, claims, report_text
from tests.support.node import running_daemon
from tests.support.objects import Exam, Patient, cr, dx, save, save_all, study_of
from tests.support.peers import running_orthanc
from tests.support.phantoms import chest, wrist
from tests.support.stored import Pixels
from tests.support.tools import PeerError, storescu, validation_errors
from tests.support.wrap import Study, studies_in

pytestmark = pytest.mark.acceptance

ONE = Exam(Patient("CANARY^ZZPHI", "PHI-4711"), study="main job")
EVERYTHING_TO_THE_NODE = """
function OnStableStudy(study, tags, metadata)
  RestApiPost('/modalities/WRISTD/store', study)
end
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A PACS and a daemon that know each other."""
    folder = tmp_path_factory.mktemp("site")
    with (
        running_orthanc(folder / "pacs") as pacs,
        running_daemon(folder / "node", [pacs]) as node,
    ):
        pacs.knows(node.ae_title, node.port)
        yield pacs, node


@pytest.fixture(scope="module")
def answer(site, tmp_path_factory):
    """A wrist study that went there and came back."""
    pictures = [(view, wrist(view, "L")) for view in ("PA", "LAT")]
    files = save_all(study_of(pictures, ONE), tmp_path_factory.mktemp("wrist"))
    return _round_trip(site, Study(ONE.study_uid, "wrist", tuple(files), is_wrist=True))


def _round_trip(site, study):
    """Keep the study in the PACS, send it with storescu, and wait for what comes back."""
    pacs, node = site
    pacs.keep(study.files)
    code, said = storescu(node.port, node.ae_title, *study.files)
    assert code == 0, said
    states = node.wait_for_outcomes([study.study_uid])
    return Answer(study, states[study.study_uid], pacs.objects(study.study_uid))


def _sent_alone(site, files, study_uid):
    _pacs, node = site
    code, said = storescu(node.port, node.ae_title, *files)
    assert code == 0, said
    return node.wait_for_outcomes([study_uid])[study_uid]


def test_wrist_study_comes_back_as_one_report_and_pictures_in_the_same_study(answer):
    assert [claim for claim in claims(answer) if not claim.kept] == []
    assert answer.state["category"] in ANALYSED
    assert {one.StudyInstanceUID for one in answer.objects} == {ONE.study_uid}


def test_every_result_passes_dciodvfy(answer, tmp_path):
    for result in (*answer.reports, *answer.captures):
        assert validation_errors(result, tmp_path) == []


def test_dsrdump_shows_the_finding_with_its_probability_and_the_algorithm(answer, tmp_path):
    text = report_text(answer.reports[0], tmp_path)
    for expected in ("Imaging Measurement Report", "Fracture", "Probability", "Algorithm Name"):
        assert expected in text


def test_every_result_is_recognised_as_our_own_and_never_analysed(answer, site, tmp_path):
    _pacs, node = site
    before = node.studies()[ONE.study_uid]
    results = [*answer.reports, *answer.captures]
    disguised = answer.captures[0].copy()
    disguised.Modality = "DX"
    files = save_all([*results, disguised], tmp_path)
    assert storescu(node.port, node.ae_title, *files)[0] == 0
    other = Exam(Patient("DRAWN^NEXT", "NEXT"), study="after our own")
    last = save(dx(wrist(seed=3, spacing_mm=0.3), "PA", other), tmp_path / "other.dcm")
    _sent_alone(site, [last], other.study_uid)
    after = node.studies()[ONE.study_uid]
    assert after == before


def test_what_the_archive_routes_back_does_not_start_a_loop(tmp_path):
    script = tmp_path / "route.lua"
    script.write_text(EVERYTHING_TO_THE_NODE)
    exam = Exam(Patient("DRAWN^LOOP", "LOOP"), study="loop")
    files = save_all(study_of([("PA", wrist(spacing_mm=0.3))], exam), tmp_path / "in")
    with (
        running_orthanc(tmp_path / "pacs", LuaScripts=[str(script)], StableAge=1) as pacs,
        running_daemon(tmp_path / "node", [pacs]) as node,
    ):
        pacs.knows(node.ae_title, node.port)
        pacs.keep(files)
        first = node.wait_for_outcomes([exam.study_uid])[exam.study_uid]
        marker = Exam(Patient("DRAWN^MARK", "MARK"), study="marker")
        pacs.keep(save_all(study_of([("PA", wrist(seed=5, spacing_mm=0.3))], marker), tmp_path))
        states = node.wait_for_outcomes([marker.study_uid])
        assert states[exam.study_uid]["deliveries"] == first["deliveries"]
        assert states[exam.study_uid]["instances"] == 1
        results = len(pacs.objects(exam.study_uid)) - 1
        assert results == first["deliveries"]["delivered"]


def test_chest_that_calls_itself_a_wrist_is_not_analysed(site, tmp_path):
    exam = Exam(Patient("DRAWN^CHEST", "CHEST"), study="chest", body_part="WRIST")
    files = save_all(study_of([("PA", chest())], exam), tmp_path)
    back = _round_trip(site, Study(exam.study_uid, "chest", tuple(files), is_wrist=False))
    assert [claim for claim in claims(back) if not claim.kept] == []
    assert (back.state["category"], back.state["reason"]) == (
        NOT_ANALYSED,
        "not the expected body part",
    )


def test_two_patients_in_one_study_are_held_and_nothing_is_sent(site, tmp_path):
    pacs, _node = site
    exam = Exam(Patient("DRAWN^ANN", "ANN"), study="mixed")
    ann = dx(wrist(spacing_mm=0.3), "PA", exam)
    bob = dx(wrist("LAT", spacing_mm=0.3), "LAT", exam, number=2)
    bob.PatientName, bob.PatientID = "DRAWN^BOB", "BOB"
    state = _sent_alone(site, save_all([ann, bob], tmp_path), exam.study_uid)
    assert (state["category"], state["reason"]) == (NOT_ANALYSED, "patient identity conflict")
    assert state["deliveries"] == {}
    assert exam.study_uid not in pacs.studies()


@pytest.mark.parametrize("damage", ["short pixel data", "no pixel data", "one grey"])
def test_image_that_cannot_be_read_ends_as_not_analysed_and_the_daemon_goes_on(
    damage, site, tmp_path
):
    exam = Exam(Patient("DRAWN^BROKEN", "BROKEN"), study=damage)
    picture = wrist(spacing_mm=0.3)
    image = dx(picture * 0 if damage == "one grey" else picture, "PA", exam)
    if damage == "short pixel data":
        image.PixelData = image.PixelData[: len(image.PixelData) // 4 * 2]
    if damage == "no pixel data":
        del image.PixelData
    state = _sent_alone(site, [save(image, tmp_path / "damaged.dcm")], exam.study_uid)
    assert state["category"] == NOT_ANALYSED
    assert state["reason"] in ("image unreadable", "not a radiograph")
    whole = replace(exam, study=f"after {damage}")
    state = _sent_alone(site, [save(dx(picture, "PA", whole), tmp_path / "1.dcm")], whole.study_uid)
    assert state["category"] in ANALYSED


def test_computed_radiography_with_inverted_greys_reads_like_its_twin(site, tmp_path):
    scores = []
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        exam = Exam(Patient("DRAWN^TWIN", "TWIN"), study=photometric)
        image = cr(wrist(seed=4, spacing_mm=0.3), "PA", exam, Pixels(photometric=photometric))
        file = save(image, tmp_path / f"{photometric}.dcm")
        scores.append(_sent_alone(site, [file], exam.study_uid)["highest_score"])
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_log_names_no_patient(site, answer):
    _pacs, node = site
    log = "\n".join(node.log)
    for secret in ("ZZPHI", "PHI-4711", ONE.study_uid, answer.reports[0].AccessionNumber):
        assert secret not in log


def test_wrong_settings_end_with_78_and_name_the_key(tmp_path):
    with (
        pytest.raises(PeerError, match=r"exit 78[\s\S]*quiet_periods"),
        running_daemon(tmp_path, [], {"assembly": {"quiet_periods": 1}}),
    ):
        pass


def test_real_wrists_have_an_outcome_and_real_chests_that_say_wrist_have_none(
    site, real_data, tmp_path
):
    wrists = studies_in(real_data / "grazpedwri", tmp_path / "wrists", limit=4)
    chests = studies_in(
        real_data / "chest_kermany", tmp_path / "chests", limit=4, body_part="WRIST"
    )
    for study in (*wrists, *chests):
        back = _round_trip(site, study)
        assert [claim for claim in claims(back) if not claim.kept] == []
