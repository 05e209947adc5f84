"""What independent readers find in a report is what the reading, and so the ledger, holds."""

import re
from dataclasses import replace

import highdicom
import numpy as np
import pytest
from pydicom import dcmread

from daemon.records import Category
from daemon.results.build import build_results
from daemon.results.document import codes
from daemon.results.document.uids import device_uid
from daemon.results.region import region_of
from daemon.results.wording import impression
from daemon.settings import DimseDestination, OperatingPoints, ReportSettings
from model.findings import FINDINGS
from tests.support.objects import Exam, dx, save
from tests.support.phantoms import wrist
from tests.support.readings import MODEL, bump, image_reading, study_reading
from tests.support.tools import run_tool

pytestmark = pytest.mark.acceptance
WHY = "radiology board, meeting of November"
POINTS = OperatingPoints(finding="fracture", high_sensitivity=0.3, high_specificity=0.7, reason=WHY)
SITE = DimseDestination(
    name="a", ae_title="PACS", host="127.0.0.1", port=104, report="comprehensive-3d"
)


@pytest.fixture(params=["comprehensive-3d", "comprehensive"])
def read(request, tmp_path):
    pa = dx(wrist("PA", spacing_mm=0.4, fracture=True))
    lateral = dx(wrist("LAT", spacing_mm=0.4), "LAT", number=2)
    right = dx(wrist("PA", "R", spacing_mm=0.4), exam=Exam(laterality="R"), number=3)
    sources = [pa, lateral, right]
    images = [
        image_reading(pa, 0.913, bump(0.6, 0.7)),
        image_reading(lateral, 0.5004, bump(0.4, 0.6), "foreignbody"),
        image_reading(right, 0.0721),
    ]
    reading = replace(study_reading(images), site_points=(POINTS,))
    site = SITE.model_copy(update={"report": request.param})
    report = build_results(reading, ReportSettings(), [site])[0]
    file = save(report.dataset, tmp_path / "report.dcm")
    return reading, dict(zip(reading.images, sources, strict=True)), file


def groups_of(file):
    groups = highdicom.sr.srread(file).content.get_planar_roi_measurement_groups()
    return {image_of(group.roi): group for group in groups}


def image_of(region):
    return region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def test_every_finding_code_score_category_and_site_is_the_ledgers(read):
    reading, sources, file = read
    groups = groups_of(file)
    assert set(groups) == {image.sop_instance_uid for image in reading.images}
    for image in reading.images:
        [score] = image.scores
        group = groups[image.sop_instance_uid]
        code = FINDINGS[score.finding].code
        assert (group.finding_type.value, group.finding_type.scheme_designator) == (
            code.value,
            code.scheme,
        )
        [measurement] = group.get_measurements(codes.PROBABILITY)
        assert measurement.value == pytest.approx(score.probability, abs=1e-6)
        [category] = group.get_qualitative_evaluations(codes.CATEGORY)
        assert category.value == codes.CATEGORIES[score.category]
        [normality] = group.get_qualitative_evaluations(codes.NORMALITY)
        assert normality.value == codes.NORMALITIES[score.category]
        [site] = group.finding_sites
        assert site.topographical_modifier is None
        assert site.laterality == codes.SIDES[sources[image].ImageLaterality]
        assert group.tracking_uid.startswith("2.25.")


def test_every_region_is_the_evidences(read):
    reading, sources, file = read
    groups = groups_of(file)
    for image in reading.images:
        [score] = image.scores
        corners = groups[image.sop_instance_uid].roi.value
        source = sources[image]
        if score.category is Category.NEGATIVE:
            assert corners.max(axis=0).tolist() == [source.Columns, source.Rows]
        else:
            assert np.allclose(corners, region_of(image, score.finding).corners(), atol=1e-3)


def test_dcmtk_finds_the_same_values_and_what_they_were_judged_by(read):
    reading, _sources, file = read
    code, text = run_tool("dsrdump", "+Pl", "+Pu", file)
    assert code == 0
    for image in reading.images:
        [score] = image.scores
        assert f'"{score.probability:g}"' in text
        assert f'"{codes.CATEGORIES[score.category].meaning}"' in text
        assert image.sop_instance_uid in text
    for said in (
        MODEL.digest,
        MODEL.calibration,
        "high-sensitivity operating point: 0.3",
        "high-specificity operating point: 0.7",
        f"operating points: set by the site: {WHY}",
    ):
        assert said in text
    assert len(re.findall(r"Algorithm Name", text)) == len(reading.images)


def named(container, value):
    """Return the items under a container that bear a concept name."""
    return [
        item
        for item in container.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == value
    ]


def test_the_document_says_language_observer_procedure_images_and_outcome(read):
    reading, sources, file = read
    report = dcmread(file)
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    [language] = named(report, "121049")
    assert language.ConceptCodeSequence[0].CodeValue == "en"
    [observer] = named(report, "121012")
    assert device_uid(reading.model.digest) == observer.UID
    [procedure] = named(report, "121058")
    assert procedure.ConceptCodeSequence[0].CodeValue
    [library] = named(report, "111028")
    [group] = library.ContentSequence
    listed = [
        one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in group.ContentSequence
    ]
    assert listed == [source.SOPInstanceUID for source in sources.values()]
    sides = [named(one, "111027")[0].ConceptCodeSequence[0] for one in group.ContentSequence]
    assert [side.CodeMeaning for side in sides] == ["Left", "Left", "Right"]
    [overall] = named(report, "C0034375")
    [category] = named(overall, codes.CATEGORY.value)
    assert category.ConceptCodeSequence[0].CodeValue == reading.category
    [words] = named(overall, "121073")
    assert words.TextValue == impression(reading)


def test_every_score_names_algorithm_version_and_build(read):
    reading, _sources, file = read
    for group in groups_of(file).values():
        [[item]] = group.get_measurements(codes.PROBABILITY)
        [name] = named(item, "111001")
        [version] = named(item, "111003")
        assert (name.TextValue, version.TextValue) == (reading.model.name, reading.model.version)
        assert any(reading.model.digest in one.TextValue for one in named(item, "111002"))
