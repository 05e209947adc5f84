"""The languages of the pictures: complete, drawable, and the same findings in each."""

import re

import pytest
from PIL import ImageFont

from daemon.records import Category, Note, Reason
from daemon.results.document.instance import Basis
from daemon.results.language import ENGLISH, Language, table
from daemon.results.picture import sheet
from daemon.results.picture.summary import summary
from daemon.results.wording import impression
from daemon.settings import ReportSettings
from model.findings import FINDINGS
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import bump, image_reading, study_reading, unread

LANGUAGES = ("de", "fr", "fi", "es")
BRACES = re.compile(r"\{\w+\}")


@pytest.mark.parametrize("text", table())
def test_every_text_stands_in_every_language_with_the_same_braces(text):
    assert set(table()[text]) == set(LANGUAGES)
    for said in table()[text].values():
        assert sorted(BRACES.findall(said)) == sorted(BRACES.findall(text))


def test_every_finding_category_reason_and_note_has_its_words():
    texts = [finding.display for finding in FINDINGS.values()]
    texts += [category.value for category in Category] + [reason.value for reason in Reason]
    texts += [note.value for note in Note]
    assert set(texts) <= set(table())


@pytest.mark.parametrize("bold", [False, True])
def test_the_typeface_has_every_letter(bold):
    font = ImageFont.truetype(sheet._FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf", 20)
    blank = bytes(font.getmask("\ufffe"))
    letters = {letter for said in table().values() for text in said.values() for letter in text}
    missing = [one for one in letters - {" "} if bytes(font.getmask(one)) == blank]
    assert missing == []


def test_english_is_what_is_written():
    assert ENGLISH("{count} more images: see the report", count=2).startswith("2 more")


def test_german_nouns_keep_their_capital():
    assert Language("de").noun("Fracture") == "Fraktur"
    assert Language("fi").noun("Fracture") == "murtuma"


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_every_summary_can_be_drawn_in_every_language(language):
    source = dx(wrist("PA", spacing_mm=0.8))
    images = [
        image_reading(source, 0.9, bump(0.5, 0.7)),
        image_reading(source, 0.1),
        unread(source, Reason.OTHER_BODY_PART),
    ]
    reading = study_reading(images)
    basis = Basis.of(reading, ReportSettings(language=language))
    assert summary(basis).pixels().std() > 0
    assert impression(reading, basis.say)
