"""Every kind of result at a real archive: stored, compressed where wanted, checked before."""

import numpy as np
import pytest
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from daemon.calling.scu import Caller
from daemon.delivery.answer import Verdict
from daemon.delivery.c_store import StorageUser
from daemon.delivery.recheck import PatientCheck
from daemon.records import PredecessorObject
from daemon.results.build import build_results
from daemon.results.document.withdrawal import Why, rejection_note
from daemon.results.outbox import write
from daemon.settings import DimseDestination, ReportSettings
from tests.support.objects import dx, save
from tests.support.peers import running_orthanc
from tests.support.phantoms import wrist
from tests.support.readings import READ_AT, image_reading, study_reading

pytestmark = pytest.mark.acceptance
CALLER = Caller("WRISTD", 20.0)
SYNTAXES = {"jpeg-ls": JPEGLSLossless, "jpeg-2000": JPEG2000Lossless, "rle": RLELossless}


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orthanc")
    with running_orthanc(folder, DicomAlwaysAllowFind=True) as running:
        yield running


@pytest.fixture
def source():
    return dx(wrist("PA", spacing_mm=0.4, fracture=True))


def destination(orthanc, **settings):
    place = {"name": "pacs", "ae_title": orthanc.ae_title, "host": "127.0.0.1"}
    return DimseDestination(**place, port=orthanc.port, **settings)


def all_kinds(source):
    image = image_reading(source, 0.9)
    results = build_results(study_reading([image]), ReportSettings(presentation_state=True))
    rejected = [
        PredecessorObject(
            str(one.dataset.SOPClassUID),
            str(one.dataset.SOPInstanceUID),
            str(one.dataset.SeriesInstanceUID),
        )
        for one in results
    ]
    note = rejection_note(image.header, rejected, Why.QUALITY, READ_AT, 9001)
    return [*results, note]


@pytest.mark.parametrize("compression", ["none", *SYNTAXES])
def test_the_archive_keeps_every_kind_and_every_pixel(tmp_path, orthanc, source, compression):
    results = all_kinds(source)
    files = write(results, tmp_path, str(source.StudyInstanceUID))
    user = StorageUser(destination(orthanc, compression=compression), CALLER)
    answers = list(user.send(files, tmp_path))
    assert [answer.status for answer in answers] == [0] * len(results)
    kept = {one.SOPInstanceUID: one for one in orthanc.objects(source.StudyInstanceUID)}
    for result in results:
        arrived = kept[result.dataset.SOPInstanceUID]
        if result.dataset.SOPClassUID == SecondaryCaptureImageStorage:
            wanted = SYNTAXES.get(compression, result.dataset.file_meta.TransferSyntaxUID)
            assert arrived.file_meta.TransferSyntaxUID == wanted
            assert np.array_equal(arrived.pixel_array, result.dataset.pixel_array)
        else:
            assert arrived.PatientName == source.PatientName
    for study in orthanc.rest("/studies"):
        orthanc.rest(f"/studies/{study}", method="DELETE")


def checked(orthanc):
    peer = destination(orthanc, check_patient=True)
    return PatientCheck(StorageUser(peer, CALLER), peer, CALLER)


def answers_to(orthanc, source, folder):
    files = write(all_kinds(source), folder, str(source.StudyInstanceUID))
    return list(checked(orthanc).send(files, folder))


def test_results_go_where_the_patient_is_the_same(tmp_path, orthanc, source):
    orthanc.keep([save(source, tmp_path / "source.dcm")])
    answers = answers_to(orthanc, source, tmp_path)
    assert {answer.verdict for answer in answers} == {Verdict.KEPT}
    for study in orthanc.rest("/studies"):
        orthanc.rest(f"/studies/{study}", method="DELETE")


def test_results_of_a_patient_that_was_corrected_meanwhile_are_refused(tmp_path, orthanc, source):
    corrected = dx(wrist("PA", spacing_mm=0.8))
    corrected.PatientID = "CORRECTED"
    orthanc.keep([save(corrected, tmp_path / "source.dcm")])
    answers = answers_to(orthanc, source, tmp_path)
    assert {answer.verdict for answer in answers} == {Verdict.REFUSED}
    assert {answer.detail for answer in answers} == {
        "patient differs at the destination: PatientID"
    }
    assert len(orthanc.objects(source.StudyInstanceUID)) == 1
    for study in orthanc.rest("/studies"):
        orthanc.rest(f"/studies/{study}", method="DELETE")


def test_results_of_a_study_that_the_archive_does_not_know_wait(tmp_path, orthanc, source):
    assert {answer.verdict for answer in answers_to(orthanc, source, tmp_path)} == {Verdict.LATER}
