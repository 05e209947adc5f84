"""Objects as the field sends them, each with its right outcome, through one running daemon."""

import os
import re
import signal
from functools import partial

import pytest

from daemon.ledger.jobs.inputs import Inputs
from daemon.records import Note, Reason
from tests.cases import films, hostile, studies
from tests.cases.films import film, study_uid
from tests.cases.site import at_once, rejected, running_site, texts
from tests.support.node import model_block
from tests.support.processes import PeakMemory, decoders
from tests.support.tools import validation_errors, wait_until

POINTS = {
    "finding": "fracture",
    "high_sensitivity": 0.3,
    "high_specificity": 0.7,
    "reason": "drawn films",
}
SECTIONS = {
    "assembly": {"quiet_period_s": 1.0},
    "reading": {"decoders": 2, "body_parts": {"HANDGELENK": "WRIST", "THORAX": "CHEST"}},
    "models": [model_block(operating_points=[POINTS])],
}
CATEGORIES = {"quiet": "negative", "unsure": "doubt", "broken": "positive"}
NOT_ANALYSED = "not analysed"
WITHIN_S = 150.0
BOMBS, MOST_GROWTH_MB = 8, 200
WARM = 4
"""Studies that start every decoder."""
TABLES = ("table of bytes in words", "table of packed bytes")
PARTS = (*films.BODY_PARTS, "CHEST", "THORAX")
NAMES = studies.SAME_NAMES | studies.UNLIKE_NAMES
HEADERS = [f"{name}, {of}" for name in films.HEADER_VALUES for of in ("quiet", "broken")]

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
"""pydicom warns of the UIDs with leading zeros that are sent here."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A daemon that got everything, and what came of it."""
    with running_site(tmp_path_factory.mktemp("field"), SECTIONS) as running:
        first = _first_sendings()
        running.send_all(first)
        _lose_a_file(running)
        running.settle([*map(study_uid, first), study_uid("lost file")], WITHIN_S)
        running.before = running.states()
        running.send_all(_second_sendings())
        for study in studies.UNLIKE_NAMES:
            running.node.wristd("release", study_uid(study))
        running.settle(map(study_uid, [*_second_sendings(), *studies.UNLIKE_NAMES]), WITHIN_S)
        running.after = running.states()
        yield running


def _first_sendings():
    """The worst come first: all others must be read although these came before."""
    single = {
        **hostile.wrong_representations(),
        **hostile.control_characters(),
        **films.odd_pixels(),
        films.IN_EIGHT_BITS: films.in_eight_bits(),
        **films.odd_headers(),
        **{f"raw {of}": films.raw(f"raw {of}", of) for of in ("quiet", "broken")},
        **{f"part {word}": films.of_body_part(word) for word in PARTS},
        **films.leading_zeros(),
        **{f"quality control {place}": one for place, one in films.quality_control().items()},
        **{f"narrow {size}": one for size, one in films.narrow().items()},
        studies.CORRECTED: studies.corrected(studies.TEMPORARY),
    }
    pairs = {name: studies.spelt(name, names) for name, names in NAMES.items()}
    return {study: [one] for study, one in single.items()} | {
        **pairs,
        "character set left out": studies.without_character_set("character set left out"),
        studies.MENDED: studies.mended()[0],
        studies.BOTH_FORMS: studies.both_forms(),
    }


def _second_sendings():
    return {
        studies.CORRECTED: [studies.corrected(studies.KNOWN)],
        studies.MENDED: [studies.mended()[1]],
    }


def _lose_a_file(running):
    """Send two images; the file of the first is gone before the study is read."""
    assert running.send(film("lost file")) == [0x0000]
    [study] = [one for one in running.ledger.waiting() if one.study_uid == study_uid("lost file")]
    [image] = Inputs(running.ledger).waiting(study.study_id)
    (running.node.settings.parent / "state" / "spool" / image.file).unlink()
    assert running.send(film("lost file", "unsure", number=2)) == [0x0000]


def test_everything_is_taken(site):
    assert {study for study, answers in site.answers.items() if set(answers) != {0x0000}} == set()


@pytest.mark.parametrize("study", films.PIXEL_CHANGES)
def test_an_oddly_stored_film_reads_like_the_plain_one(site, study):
    state, plain = site.before[study_uid(study)], site.before[study_uid("plain")]
    assert state["category"] == plain["category"] == CATEGORIES["unsure"]
    tolerance = 5e-3 if study in TABLES else 1e-3
    assert state["highest_score"] == pytest.approx(plain["highest_score"], abs=tolerance)


@pytest.mark.parametrize("study", TABLES)
def test_a_table_of_bytes_makes_just_the_film_of_bytes(site, study):
    twin = site.before[study_uid(films.IN_EIGHT_BITS)]["highest_score"]
    assert site.before[study_uid(study)]["highest_score"] == pytest.approx(twin, abs=1e-3)


def test_a_report_says_that_a_window_for_other_values_was_left_out(site):
    [report] = site.reports(study_uid("window of eight bits"))
    assert Note.WINDOW_LEFT_OUT.casefold() in texts(report).casefold()
    [plain] = site.reports(study_uid("plain"))
    assert Note.WINDOW_LEFT_OUT.casefold() not in texts(plain).casefold()


@pytest.mark.parametrize("of", ["quiet", "broken"])
def test_a_film_for_processing_is_read_after_a_logarithm_and_says_so(site, of):
    assert site.before[study_uid(f"raw {of}")]["category"] == CATEGORIES[of]
    [report] = site.reports(study_uid(f"raw {of}"))
    assert Note.LOGARITHM.casefold() in texts(report).casefold()


def test_of_an_exposure_in_both_forms_the_one_for_presentation_is_read(site):
    assert site.before[study_uid(studies.BOTH_FORMS)]["category"] == CATEGORIES["quiet"]
    [report] = site.reports(study_uid(studies.BOTH_FORMS))
    assert Reason.PRESENTATION_READ in texts(report)
    assert Note.LOGARITHM.casefold() not in texts(report).casefold()


@pytest.mark.parametrize("study", HEADERS)
def test_a_header_that_breaks_a_rule_costs_neither_reading_nor_report(site, study):
    assert site.before[study_uid(study)]["state"] == "done"
    assert site.before[study_uid(study)]["category"] == CATEGORIES[study.split(", ")[1]]
    assert len(site.reports(study_uid(study))) == 1


@pytest.mark.acceptance
@pytest.mark.parametrize("study", HEADERS)
def test_the_report_on_a_header_that_breaks_a_rule_passes_dciodvfy(site, study, tmp_path):
    for result in site.kept(study_uid(study)):
        assert validation_errors(result, tmp_path) == []
    assert site.kept(study_uid(study))


@pytest.mark.parametrize("word", films.BODY_PARTS)
def test_a_word_that_names_no_other_part_of_the_body_is_no_statement(site, word):
    assert site.before[study_uid(f"part {word}")]["category"] == CATEGORIES["quiet"]


@pytest.mark.parametrize("word", ["CHEST", "THORAX"])
def test_another_part_is_not_analysed_in_the_standards_words_and_in_the_sites(site, word):
    state = site.before[study_uid(f"part {word}")]
    assert (state["category"], state["reason"]) == (NOT_ANALYSED, Reason.OTHER_BODY_PART)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_uid_with_a_leading_zero_is_kept_to_the_letter(site, keyword):
    one = films.leading_zeros()[f"zeros {keyword}"]
    assert site.answers[f"zeros {keyword}"] == [0x0000]
    assert site.before[str(one.StudyInstanceUID)]["category"] == CATEGORIES["quiet"]
    [report] = site.reports(one.StudyInstanceUID)
    assert rejected(report) == {str(one.SOPInstanceUID)}


@pytest.mark.parametrize("place", ["flag", "name", "description"])
def test_a_film_of_quality_control_is_not_analysed_whatever_it_shows(site, place):
    state = site.before[study_uid(f"quality control {place}")]
    assert (state["category"], state["reason"]) == (NOT_ANALYSED, Reason.QUALITY_CONTROL)


@pytest.mark.parametrize("size", ["2 x 2", "3 x 20000"])
def test_a_film_that_is_too_small_is_not_analysed(site, size):
    state = site.before[study_uid(f"narrow {size}")]
    assert (state["category"], state["reason"]) == (NOT_ANALYSED, Reason.TOO_SMALL)


def test_a_lost_file_costs_only_its_own_image(site):
    assert site.before[study_uid("lost file")]["category"] == CATEGORIES["unsure"]
    [report] = site.reports(study_uid("lost file"))
    assert Reason.UNREADABLE in texts(report)


@pytest.mark.parametrize(
    "study",
    [
        "view codes as text",
        "regions as text",
        "character set as numbers",
        "line feed in the name",
        "line feed in the photometric interpretation",
    ],
)
def test_an_attribute_out_of_its_mould_has_an_outcome_and_a_report(site, study):
    assert site.before[study_uid(study)]["state"] == "done"
    assert len(site.reports(study_uid(study))) == 1


@pytest.mark.parametrize("study", [*studies.SAME_NAMES, "character set left out"])
def test_one_name_in_two_spellings_is_one_patient(site, study):
    state = site.before[study_uid(study)]
    assert (state["instances"], state["category"]) == (2, CATEGORIES["quiet"])


@pytest.mark.parametrize("study", studies.UNLIKE_NAMES)
def test_spellings_that_may_be_two_patients_are_held_until_a_person_releases_them(site, study):
    assert site.before[study_uid(study)]["reason"] == Reason.IDENTITY_CONFLICT
    assert site.before[study_uid(study)]["deliveries"] == {}
    assert site.after[study_uid(study)]["category"] == CATEGORIES["quiet"]
    [report] = site.reports(study_uid(study))
    assert re.search("patient ?name", texts(report), re.IGNORECASE)


def test_a_held_study_that_is_mended_and_sent_again_is_read(site):
    assert site.before[study_uid(studies.MENDED)]["reason"] == Reason.IDENTITY_CONFLICT
    assert site.after[study_uid(studies.MENDED)]["category"] == CATEGORIES["quiet"]
    [report] = site.reports(study_uid(studies.MENDED))
    assert len(rejected(report)) == 2


def test_results_follow_a_corrected_patient_and_the_former_ones_are_withdrawn(site):
    uid, former, present = study_uid(studies.CORRECTED), studies.TEMPORARY[1], studies.KNOWN[1]
    assert [one.PatientID for one in site.reports(uid)] == [former, present]
    [note] = site.notes(uid)
    results = [one for one in site.kept(uid) if one.Modality != "KO"]
    assert rejected(note) == {one.SOPInstanceUID for one in results if one.PatientID == former}
    assert note.PatientID == former


def test_the_command_line_shows_what_was_withdrawn_and_what_a_person_released(site):
    shown = site.node.studies()
    corrected = shown[study_uid(studies.CORRECTED)]
    former = [
        one
        for one in site.kept(study_uid(studies.CORRECTED))
        if one.PatientID == studies.TEMPORARY[1] and one.Modality != "KO"
    ]
    assert (corrected["category"], corrected["withdrawn"]) == (CATEGORIES["quiet"], len(former))
    assert all(shown[study_uid(study)]["is_released"] for study in studies.UNLIKE_NAMES)


def test_deflated_bombs_cost_little_memory_and_nobody_their_turn(site):
    warm = [f"before bombs {number}" for number in range(WARM)]
    at_once([partial(site.send_all, {study: [film(study)]}) for study in warm])
    assert site.settle(map(study_uid, warm), WITHIN_S) == []
    objects = {**hostile.bombs(BOMBS), "beside bombs": film("beside bombs")}
    with PeakMemory(site.node.process.pid) as memory:
        at_once([partial(site.send_all, {study: [one]}) for study, one in objects.items()])
        assert site.settle(map(study_uid, objects), WITHIN_S) == []
    assert [site.answers[study] for study in objects] == [[0x0000]] * (BOMBS + 1)
    assert site.states()[study_uid("beside bombs")]["category"] == CATEGORIES["quiet"]
    print(f"\n{BOMBS} bombs: {memory.before_mb:.0f} MB, at most {memory.growth_mb:.0f} MB more")
    assert memory.growth_mb < MOST_GROWTH_MB


def test_an_image_whose_decoder_is_killed_is_read_by_another(site):
    children = decoders(site.node.process.pid)
    assert children
    for child in children:
        os.kill(child, signal.SIGSTOP)
    site.send(film("decoder killed"))
    wait_until(
        lambda: site.states()[study_uid("decoder killed")]["state"] == "running", "the reading"
    )
    for child in children:
        os.kill(child, signal.SIGKILL)
    assert site.settle([study_uid("decoder killed")], WITHIN_S) == []
    assert site.states()[study_uid("decoder killed")]["category"] == CATEGORIES["quiet"]


def test_no_line_of_the_log_is_forged(site):
    for request in hostile.forged_requests():
        site.say(request)
    site.send(film("after the forger"))
    assert site.settle([study_uid("after the forger")], WITHIN_S) == []
    assert [line for line in site.node.log if line.startswith("INFO")] == []
    assert [line for line in site.node.log if not line.isprintable()] == []


def test_no_line_of_the_log_names_a_patient(site):
    named = [line for line in site.node.log if any(word in line for word in films.CANARIES)]
    assert named == []
