"""Which models are asked of an image, by what its header states."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from daemon.assembly.routing import models_for, never_asked, objection
from daemon.dicom.header import Header
from daemon.records import Origin
from daemon.settings import Model, When

WRIST = Header(
    "1.2", "1.3", "1.4", modality="DX", body_part="WRIST", view="PA", age="040Y",
    station="Room 12", descriptions=("Handgelenk  ap", "XR wrist 2 views"),
)  # fmt: skip
SILENT = Header("1.2", "1.3", "1.4")
SENT = Origin("MODALITY", "WRIST_AI")
WORDS = {"HANDGELENK": "WRIST", "THORAX": "CHEST"}


def model(name, *, also=False, **when):
    return Model(name=name, package="p", also=also, when=When(**when))


def names(header, *models):
    return models_for(header, SENT, models, WORDS)


def test_the_first_model_that_matches_is_asked():
    wrist, chest = model("wrist", body_parts=("WRIST",)), model("chest", body_parts=("CHEST",))
    assert names(WRIST, chest, wrist) == ("wrist",)
    assert names(replace(WRIST, body_part="THORAX"), wrist, chest) == ("chest",)
    assert names(WRIST, wrist, model("bone")) == ("wrist",)


def test_models_that_say_also_are_asked_besides_it():
    bone, quality = model("bone", also=True), model("quality", also=True, views=("LAT",))
    wrist, rest = model("wrist", body_parts=("WRIST",)), model("rest")
    assert names(WRIST, bone, wrist, quality, rest) == ("bone", "wrist")
    assert names(replace(WRIST, view="LAT"), bone, wrist, quality) == ("bone", "wrist", "quality")


def test_where_none_matches_none_is_asked():
    assert names(replace(WRIST, body_part="SKULL"), model("wrist", body_parts=("WRIST",))) == ()


@pytest.mark.parametrize("part", ["", "LEFT SIDE", "EXTREMITY", "Handgelenk"])
def test_a_body_part_that_contradicts_nothing_is_no_objection(part):
    assert names(replace(WRIST, body_part=part), model("wrist", body_parts=("WRIST",))) == (
        "wrist",
    )


@pytest.mark.parametrize(
    ("when", "criterion"),
    [
        ({"calling": ("OTHER",)}, "calling AE title"),
        ({"called": ("CHEST_AI",)}, "called AE title"),
        ({"stations": ("ER?",)}, "station"),
        ({"modalities": ("CR",)}, "modality"),
        ({"body_parts": ("CHEST",)}, "body part"),
        ({"views": ("LAT",)}, "view"),
        ({"min_age_years": 41.0}, "age"),
        ({"max_age_years": 39.0}, "age"),
        ({"descriptions": ("*knee*",)}, "description"),
    ],
)
def test_the_criterion_that_is_not_met_is_named(when, criterion):
    assert objection(WRIST, SENT, When(**when), WORDS) == criterion


@pytest.mark.parametrize(
    ("when", "is_met"),
    [
        ({"body_parts": ("CHEST",)}, True),
        ({"min_age_years": 16.0}, True),
        ({"modalities": ("DX",)}, False),
        ({"views": ("PA",)}, False),
        ({"descriptions": ("*",)}, False),
        ({"stations": ("*",)}, True),
        ({"stations": ("?*",)}, False),
    ],
)
def test_what_a_silent_header_is_held_to(when, is_met):
    assert (objection(SILENT, SENT, When(**when), WORDS) is None) is is_met
    assert (objection(None, SENT, When(**when), WORDS) is None) is is_met


@pytest.mark.parametrize(
    "when",
    [{"calling": ("Modality",)}, {"called": ("wrist_ai",)}, {"stations": ("ROOM*", "x")}],
)
def test_titles_and_stations_are_compared_in_any_case(when):
    assert objection(WRIST, SENT, When(**when), WORDS) is None


@pytest.mark.parametrize("pattern", ["HANDGELENK AP", "hand*", "*WRIST*views", "* 2 *"])
def test_a_pattern_is_for_a_whole_description_in_any_case(pattern):
    assert objection(WRIST, SENT, When(descriptions=(pattern,)), WORDS) is None
    assert objection(WRIST, SENT, When(descriptions=(pattern[:3],)), WORDS) is not None


def test_a_pattern_that_would_backtrack_ends_whatever_the_text():
    header = replace(WRIST, descriptions=("a" * 10_000,))
    pattern = "*".join("a" * 8) + "b"  # where each asterisk may stand for anything: 1e28 ways
    assert objection(header, SENT, When(descriptions=(pattern,)), WORDS) == "description"


@pytest.mark.parametrize(
    "when",
    [
        {"body_parts": ("HANDGELENK",)},
        {"min_age_years": 10.0, "max_age_years": 9.0},
        {"descriptions": ("*a" * 9,)},
    ],
)
def test_what_cannot_be_meant_is_refused(when):
    with pytest.raises(ValidationError):
        When(**when)


def test_a_model_behind_one_that_takes_everything_is_never_asked():
    wrist, rest = model("wrist", body_parts=("WRIST",)), model("rest")
    after, also = model("after", body_parts=("CHEST",)), model("also", also=True)
    assert never_asked([wrist, rest, after, also]) == ["after"]
    assert never_asked([also, wrist, rest]) == []
