"""Which images a model is meant for, by what their headers say."""

from dataclasses import replace

import pytest

from daemon.dicom.header import Header
from daemon.reading.meant import Meant
from daemon.records import Reason
from daemon.settings import Reading

WRIST = Header("1.2", "1.3", "1.4", patient_name="LINDQVIST^ASTA", body_part="WRIST")


@pytest.fixture
def counted():
    return []


@pytest.fixture
def meant(package, counted):
    manifest = package.manifest.model_copy(
        update={"body_parts": ("WRIST",), "min_age_years": 2.0, "max_age_years": None}
    )

    def make(**settings):
        return Meant(manifest, Reading(**settings), counted.append)

    return make


def test_a_part_of_the_body_that_contradicts_is_refused_and_listed(meant, counted):
    assert meant().objection(replace(WRIST, body_part="CHEST")) is Reason.OTHER_BODY_PART
    assert meant().objection(WRIST) is None
    assert counted == ["CHEST"]


def test_a_sites_own_words_count_as_the_site_says(meant, counted):
    words = {"Thorax": "chest", "HANDGELENK": "WRIST"}
    site = meant(body_parts=words)
    assert site.objection(replace(WRIST, body_part="THORAX")) is Reason.OTHER_BODY_PART
    assert site.objection(replace(WRIST, body_part="HANDGELENK")) is None
    assert counted == ["CHEST"]


def test_a_site_may_only_mean_defined_terms():
    with pytest.raises(ValueError, match="BREASTBONE: no defined term"):
        Reading(body_parts={"X": "BREASTBONE"})


@pytest.mark.parametrize(
    "header",
    [
        replace(WRIST, quality_control=True),
        replace(WRIST, patient_name="QC^PHANTOM"),
        replace(WRIST, patient_id="PHANTOM_01"),
        replace(WRIST, body_part="PHANTOM"),
        replace(WRIST, descriptions=("Weekly flat-field calibration",)),
        replace(WRIST, descriptions=("XR", "test exposure")),
    ],
)
def test_what_shows_no_patient_is_known_by_tag_or_word(meant, header):
    assert meant().objection(header) is Reason.QUALITY_CONTROL


def test_a_word_within_another_says_nothing(meant):
    assert meant().objection(replace(WRIST, patient_name="PHANTOMAS^QCELINE")) is None


def test_a_site_chooses_its_words(meant):
    assert meant(quality_control_words=()).objection(replace(WRIST, patient_id="QC")) is None


@pytest.mark.parametrize(
    ("age", "reason"), [("018M", Reason.AGE_OUT_OF_RANGE), ("045Y", None), ("", None)]
)
def test_an_age_outside_the_models_range_is_refused(meant, age, reason):
    assert meant().objection(replace(WRIST, age=age)) is reason
