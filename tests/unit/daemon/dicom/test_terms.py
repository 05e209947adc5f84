"""Names that are one, parts of the body that contradict, headers that disagree."""

import pytest

from daemon.dicom.agreement import disagreements
from daemon.dicom.body_parts import DEFINED_TERMS, contradicts
from daemon.dicom.header import Header
from daemon.dicom.names import same_name

WRIST = ("WRIST", "HAND")
FILM = Header("1.2", "1.3", "1.4", patient_id="P-1", patient_name="LINDQVIST^ASTA")


@pytest.mark.parametrize(
    "other",
    [
        "LINDQVIST^ASTA^^^JR",
        "LINDQVIST^ASTA^MARIA",
        "LINDQVIST",
        "Lindqvist^Asta",
        "LINDQVIST ^ ASTA^^",
        "LINDQVIST^ASTA^^DR",
        "LINDQVIST^ASTA=リンドクビスト^アスタ",
        "",
    ],
)
def test_a_name_is_one_whatever_is_padded_or_left_out(other):
    assert same_name("LINDQVIST^ASTA", other)
    assert same_name(other, "LINDQVIST^ASTA")


@pytest.mark.parametrize(
    "other", ["LINDQVIST^ANNA", "LINDQUIST^ASTA", "LINDQVIST ASTA", "ASTA^LINDQVIST", "^^MARIA"]
)
def test_another_name_is_another(other):
    assert not same_name("LINDQVIST^ASTA", other)


def test_the_same_letters_composed_otherwise_are_one_name():
    assert same_name("M\u00dcLLER^J", "MU\u0308LLER^J")
    assert not same_name("M\u00dcLLER^J", "MUELLER^J")


def test_three_names_are_compared_each_with_each():
    names = ("L^A", "L^A^MARIA", "L^A^KARIN")
    headers = [Header("1.2", "1.3", "1.4", patient_name=name) for name in names]
    assert disagreements(headers[:2]) == []
    assert disagreements(headers) == ["PatientName"]


def test_what_is_absent_contradicts_nothing():
    assert disagreements([FILM, Header("1.2", "1.3", "1.4")]) == []
    assert disagreements([FILM, Header("1.2", "1.3", "1.5", patient_id="P-2")]) == [
        "PatientID",
        "StudyInstanceUID",
    ]


@pytest.mark.parametrize(
    "word",
    ["", "WRIST", "wrist ", "HAND", "HANDGELENK", "L WRIST", "WRISTS", "HAND/WRIST", "EXTREMITY",
     "UPPER EXTREMITY", "UP_EXM", "ARM", "UNKNOWN", "WHOLEBODY"],
)  # fmt: skip
def test_a_word_that_names_no_other_part_for_certain_says_nothing(word):
    assert contradicts(word, WRIST, {}) is None


@pytest.mark.parametrize("word", ["CHEST", "chest", "KNEE", "SHOULDER", "LEG", "SKULL"])
def test_a_defined_term_of_another_part_contradicts(word):
    assert contradicts(word, WRIST, {}) == word.upper()


def test_a_sites_words_mean_what_the_site_says():
    words = {"RX THORAX": "CHEST", "HANDGELENK": "WRIST"}
    assert contradicts("rx  thorax", WRIST, words) == "CHEST"
    assert contradicts("Handgelenk", WRIST, words) is None
    assert set(words.values()) <= DEFINED_TERMS
