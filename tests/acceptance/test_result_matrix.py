"""Every kind of result, of every kind of source, before the validators of others."""

from dataclasses import replace

import pytest
from pydicom import dcmread

from daemon.dicom.parse import read_header
from daemon.records import Category, PredecessorObject, Reason
from daemon.results.build import build_results
from daemon.results.document.withdrawal import Why, rejection_note
from daemon.settings import DimseDestination, ReportSettings
from tests.support.headers import header_of
from tests.support.objects import Exam, Patient, cr, dx, save
from tests.support.phantoms import wrist
from tests.support.readings import READ_AT, image_reading, study_reading, unread
from tests.support.stored import Pixels
from tests.support.tools import run_tool, validation_errors

pytestmark = pytest.mark.acceptance
PICTURE = wrist("PA", spacing_mm=0.8, fracture=True)
REPORT = ReportSettings(presentation_state=True)
DESTINATIONS = [
    DimseDestination(name=form, ae_title="PACS", host="127.0.0.1", port=104, report=form)
    for form in ("comprehensive-3d", "comprehensive")
]
PROBABILITIES = {Category.POSITIVE: 0.9, Category.DOUBT: 0.5, Category.NEGATIVE: 0.1}
NAMES = {
    "ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "GB18030": "Wang^XiaoDong=王^小东",
    "ISO_IR 192": "Müller^Åsa Łucja",
    "ISO_IR 100": "Peña^José",
}


def _as_it_is(source):
    pass


def _without_spacing(source):
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelSpacingCalibrationType"):
        if keyword in source:
            del source[keyword]


def _without_side(source):
    for keyword in ("ImageLaterality", "Laterality"):
        if keyword in source:
            del source[keyword]


def _without_accession(source):
    source.AccessionNumber = ""


def _named(charset):
    def name(source):
        source.SpecificCharacterSet = ["", charset] if "2022" in charset else charset
        source.PatientName = NAMES[charset]

    return name


SOURCES = {
    "plain": _as_it_is,
    "no spacing": _without_spacing,
    "no laterality": _without_side,
    "no accession": _without_accession,
    **{charset: _named(charset) for charset in NAMES},
}


def predecessors(results):
    return tuple(
        PredecessorObject(
            str(one.dataset.SOPClassUID),
            str(one.dataset.SOPInstanceUID),
            str(one.dataset.SeriesInstanceUID),
        )
        for one in results
    )


def everything(drawn):
    """Return the results of each outcome, of a superseding reading, and a rejection note."""
    sets = {
        category: [image_reading(drawn, probability)]
        for category, probability in PROBABILITIES.items()
    }
    sets[Category.NOT_ANALYSED] = [unread(drawn, Reason.OTHER_BODY_PART)]
    results = {
        category: build_results(study_reading(images), REPORT, DESTINATIONS)
        for category, images in sets.items()
    }
    first = results[Category.NEGATIVE]
    later = replace(
        study_reading(sets[Category.POSITIVE]),
        supersedes=predecessors(first),
        settings_digest="fedcba9876543210",
    )
    results["superseding"] = build_results(later, REPORT, DESTINATIONS)
    note = rejection_note(header_of(drawn), predecessors(first), Why.QUALITY, READ_AT, 9001)
    results["withdrawn"] = [note]
    return results


def complaints(result, folder):
    """Return what independent programs have against one object."""
    problems = validation_errors(result.dataset, folder)
    file = folder / f"{result.dataset.SOPInstanceUID}.dcm"
    if result.dataset.Modality == "PR":
        plain = dcmread(file)
        plain.PatientName = "ANY^NAME"  # dcmpschk 3.6.7 knows no UTF-8 in names
        text = run_tool("dcmpschk", save(plain, file))[1]
        problems += [] if "Test passed" in text else [f"dcmpschk: {text}"]
    if result.dataset.Modality in ("SR", "KO"):
        problems += [
            f"{program}: exit {code}"
            for program in ("dsrdump", "dsr2html")
            if (code := run_tool(program, file)[0])
        ]
    return problems


@pytest.mark.parametrize("header", SOURCES)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("make", [dx, cr])
def test_no_validator_finds_an_error(tmp_path, make, photometric, header):
    drawn = make(PICTURE, pixels=Pixels(photometric=photometric))
    SOURCES[header](drawn)
    found = {
        f"{outcome}: {result.kind}": problems
        for outcome, results in everything(drawn).items()
        for result in results
        if (problems := complaints(result, tmp_path))
    }
    assert found == {}


@pytest.mark.parametrize("charset", NAMES)
def test_a_name_in_any_alphabet_arrives_unchanged(tmp_path, charset):
    drawn = dx(PICTURE, exam=Exam(patient=Patient(name=NAMES[charset])))
    _named(charset)(drawn)
    results = build_results(study_reading([image_reading(drawn, 0.9)]), REPORT)
    names = {read_header(save(one.dataset, tmp_path / "x.dcm")).patient_name for one in results}
    assert names == {NAMES[charset]}
