"""What a reader must know of how images were read stands in report, impression and summary."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.records import Note, Reason
from daemon.results.build import build_results
from daemon.results.document.instance import Basis
from daemon.results.picture.summary import HEIGHT, WIDTH, summary
from daemon.results.wording import impression
from daemon.settings import ReportSettings
from model.findings import FINDINGS
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import image_reading, study_reading, unread
from tests.support.tools import tool, validation_errors

BOTTOM_OF_TEXT = 780


@pytest.fixture(scope="module")
def source():
    return dx(wrist("PA", spacing_mm=0.8))


def noted(source, *notes):
    return replace(image_reading(source, 0.1), notes=notes)


def comments(report):
    groups = [
        group
        for part in report.ContentSequence
        if part.ConceptNameCodeSequence[0].CodeValue == "126010"
        for group in part.ContentSequence
    ]
    return [
        item.TextValue
        for group in groups
        for item in group.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "121106"
    ]


@pytest.mark.parametrize("note", Note)
def test_a_note_stands_beside_every_score_of_its_image(tmp_path, source, note):
    report = build_results(study_reading([noted(source, note)]), ReportSettings())[0].dataset
    assert [one.lower() for one in comments(report)] == [note.lower()]
    if tool("dciodvfy"):
        assert validation_errors(report, tmp_path) == []


def test_the_impression_says_a_note_and_for_how_many_images(source):
    images = [noted(source, Note.TABLE_LEFT_OUT), unread(source, Reason.OTHER_BODY_PART)]
    assert "VOI LUT left out: made for other values (1 of 2 images)." in impression(
        study_reading(images)
    )


def test_the_impression_says_in_what_released_images_disagree(source):
    reading = replace(study_reading([noted(source)]), disagreements=("PatientName", "PatientID"))
    said = impression(reading)
    assert said.endswith("Images disagree in PatientName, PatientID; released by a person.")


def test_the_summary_shows_a_note_under_its_image(source):
    def drawn(*notes):
        reading = study_reading([noted(source, *notes)])
        return summary(Basis.of(reading, ReportSettings())).pixels()[:, WIDTH // 3 :]

    assert not np.array_equal(drawn(), drawn(Note.LOGARITHM))


def test_a_long_impression_stays_above_what_made_the_result(source):
    def panel(read):
        return summary(Basis.of(read, ReportSettings())).pixels()[
            BOTTOM_OF_TEXT:HEIGHT, : WIDTH // 4
        ]

    image = image_reading(source, 0.9)
    scores = tuple(replace(image.scores[0], finding=name) for name in FINDINGS)
    evidence = dict.fromkeys(FINDINGS, image.evidence["fracture"])
    long = replace(image, scores=scores, evidence=evidence, notes=tuple(Note))
    reading = replace(study_reading([long] * 2), disagreements=("PatientName", "PatientID"))
    assert len(impression(reading)) > 500
    assert np.array_equal(panel(reading), panel(study_reading([image])))
