"""What settings change about results: report class, presentation states, operating points."""

import numpy as np
import pytest
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from daemon.records import PredecessorObject
from daemon.results.build import build_results
from daemon.results.document.withdrawal import TITLES, Why, rejection_note
from daemon.results.region import region_of
from daemon.settings import DimseDestination, ReportSettings
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import READ_AT, image_reading, study_reading
from tests.support.stored import Pixels

WITH_STATES = ReportSettings(presentation_state=True)


def destination(name, report="comprehensive-3d"):
    return DimseDestination(name=name, ae_title="PACS", host="127.0.0.1", port=104, report=report)


@pytest.fixture(scope="module")
def source():
    return dx(wrist("PA", spacing_mm=0.6, fracture=True))


def results_of(source, probability=0.9, report=WITH_STATES, destinations=()):
    image = image_reading(source, probability)
    return image, build_results(study_reading([image]), report, destinations)


def test_each_destination_gets_the_report_class_it_wants(source):
    destinations = [destination("new"), destination("old", "comprehensive"), destination("web")]
    _image, results = results_of(source, destinations=destinations)
    reports = {one.dataset.SOPClassUID: one for one in results if one.kind == "report"}
    assert reports[Comprehensive3DSRStorage].destinations == ("new", "web")
    assert reports[ComprehensiveSRStorage].destinations == ("old",)
    uids = {one.dataset.SOPInstanceUID for one in reports.values()}
    assert len(uids) == 2
    assert all(not one.destinations for one in results if one.kind != "report")


def test_one_class_for_all_is_made_once(source):
    _image, results = results_of(source, destinations=[destination("a", "comprehensive")])
    [report] = [one for one in results if one.kind == "report"]
    assert report.dataset.SOPClassUID == ComprehensiveSRStorage
    assert report.destinations == ()


def test_a_report_names_the_predecessor_of_its_own_class(source):
    old = [
        PredecessorObject(uid, f"1.2.{n}", "1.2")
        for n, uid in enumerate((Comprehensive3DSRStorage, ComprehensiveSRStorage))
    ]
    reading = study_reading([image_reading(source, 0.9)])
    reading = type(reading)(**{**reading.__dict__, "supersedes": tuple(old)})
    destinations = [destination("new"), destination("old", "comprehensive")]
    for one in build_results(reading, ReportSettings(), destinations)[:2]:
        [study] = one.dataset.PredecessorDocumentsSequence
        [item] = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
        assert item.ReferencedSOPClassUID == one.dataset.SOPClassUID


@pytest.mark.parametrize(("probability", "style"), [(0.9, "SOLID"), (0.5, "DASHED")])
def test_a_presentation_state_has_the_outline_of_the_annotated_copy(source, probability, style):
    image, results = results_of(source, probability)
    [state] = [one.dataset for one in results if one.kind == "presentation state"]
    [annotation] = state.GraphicAnnotationSequence
    [graphic] = annotation.GraphicObjectSequence
    corners = region_of(image, "fracture").corners()
    assert np.allclose(np.reshape(graphic.GraphicData, (-1, 2)), corners, atol=1e-3)
    assert graphic.LineStyleSequence[0].LineDashingStyle == style
    assert "not for diagnostic use" in annotation.TextObjectSequence[0].UnformattedTextValue


def test_a_negative_presentation_state_says_so_and_draws_nothing(source):
    _image, results = results_of(source, 0.1)
    [state] = [one.dataset for one in results if one.kind == "presentation state"]
    [annotation] = state.GraphicAnnotationSequence
    assert "GraphicObjectSequence" not in annotation
    assert "No finding" in annotation.TextObjectSequence[0].UnformattedTextValue


def test_a_presentation_state_keeps_an_inverted_image_inverted():
    inverted = dx(wrist("PA", spacing_mm=0.6), pixels=Pixels(photometric="MONOCHROME1"))
    _image, results = results_of(inverted)
    [state] = [one.dataset for one in results if one.kind == "presentation state"]
    assert state.PresentationLUTShape == "INVERSE"
    assert state.SoftcopyVOILUTSequence[0].WindowWidth == inverted.WindowWidth


@pytest.mark.parametrize("why", Why)
def test_a_rejection_note_names_everything_and_why(source, why):
    image, results = results_of(source)
    rejected = [
        PredecessorObject(
            str(one.dataset.SOPClassUID),
            str(one.dataset.SOPInstanceUID),
            str(one.dataset.SeriesInstanceUID),
        )
        for one in results
    ]
    note = rejection_note(image.header, rejected, why, READ_AT, 9001).dataset
    assert note.ConceptNameCodeSequence[0].CodeValue == TITLES[why].value
    named = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in note.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    assert named == {one.sop_instance_uid for one in rejected}
    assert note.PatientID == source.PatientID
