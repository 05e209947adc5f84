"""The storage SCP over real sockets: what is answered, what is on the disk, what is counted."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    SecondaryCaptureImageStorage,
)
from pynetdicom import build_context
from pynetdicom.sop_class import Verification

from daemon.identity import MANUFACTURER, derived_uid
from daemon.intake.store.admit import Offer
from tests.support.objects import Exam, Patient, cr, dx, save
from tests.support.receiving import LIMITS, PICTURE, House, raw
from tests.support.tools import storescu, tool


@pytest.fixture
def house(tmp_path):
    with House(tmp_path / "state") as opened:
        yield opened


def test_an_image_is_on_the_disk_and_in_the_ledger_when_success_is_answered(house):
    image = dx(PICTURE)
    assert house.send(image) == [0x0000]
    [file] = house.spooled()
    [study] = house.ledger.waiting()
    assert study.study_uid == image.StudyInstanceUID
    assert house.ledger.files() == {file.relative_to(house.place.spool).as_posix()}
    assert file.parent == house.place.spool
    assert file.stat().st_mode & 0o777 == 0o600
    assert np.array_equal(dcmread(file).pixel_array, image.pixel_array)


def test_dx_for_presentation_for_processing_and_cr_are_kept(house):
    processing = dx(PICTURE, number=2)
    processing.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1.1"
    processing.file_meta.MediaStorageSOPClassUID = processing.SOPClassUID
    assert house.send(dx(PICTURE), processing, cr(PICTURE, number=3)) == [0x0000] * 3
    assert len(house.ledger.files()) == 3


@pytest.mark.parametrize(
    "sop_class", [ComprehensiveSRStorage, CTImageStorage, SecondaryCaptureImageStorage]
)
def test_other_classes_are_taken_with_success_ignored_and_counted(tmp_path, sop_class):
    with House(tmp_path) as house:
        other = raw(dx(PICTURE), SOPClassUID=sop_class, sop_class_uid=sop_class)
        assert house.send(other) == [0x0000]
        assert house.spooled() == []
    assert house.counters == {"ignored_sop_class": 1}


def test_video_of_an_ignored_class_is_taken_in_its_own_transfer_syntax(house):
    offer = Offer("1.2.840.10008.5.1.4.1.1.77.1.1.1", "1.2.3", "1.2.840.10008.1.2.4.103", b"film")
    assert house.send(offer) == [0x0000]


def test_our_own_report_is_ignored_by_its_uid(tmp_path):
    with House(tmp_path) as house:
        report = Offer(
            ComprehensiveSRStorage, derived_uid("report"), ExplicitVRLittleEndian, b"\0" * 8
        )
        assert house.send(report) == [0x0000]
    assert house.counters == {"self_output": 1}


def test_our_own_capture_dressed_as_dx_is_ignored_by_its_manufacturer(tmp_path):
    with House(tmp_path) as house:
        capture = dx(PICTURE)
        capture.Manufacturer = MANUFACTURER
        assert house.send(capture) == [0x0000]
        assert house.spooled() == []
    assert house.counters == {"self_output": 1}


def test_instance_sent_twice_is_kept_once(tmp_path):
    with House(tmp_path) as house:
        assert house.send(dx(PICTURE), dx(PICTURE)) == [0x0000, 0x0000]
        assert len(house.spooled()) == len(house.ledger.files()) == 1
    assert house.counters == {"duplicate": 1}


def test_other_content_under_the_same_uid_is_the_input_now_and_counted(tmp_path):
    with House(tmp_path) as house:
        assert house.send(dx(PICTURE), dx(PICTURE + 1)) == [0x0000, 0x0000]
        assert len(house.spooled()) == len(house.ledger.files()) == 2
    assert house.counters == {"replaced": 1}


def test_two_patients_have_two_keys_and_no_name(house):
    one, two = dx(PICTURE), dx(PICTURE, exam=Exam(patient=Patient(patient_id="OTHER")), number=2)
    two.StudyInstanceUID = one.StudyInstanceUID
    house.send(one, two)
    text = house.place.ledger.read_bytes()
    assert b"DRAWN" not in text
    assert b"OTHER" not in text
    assert len(house.spooled()) == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"called": "SOMEBODY"}, "Called AE"), ({"calling": "STRANGER"}, "Calling AE")],
)
def test_wrong_ae_titles_are_rejected(house, wrong, reason):
    with pytest.raises(ConnectionError, match=reason):
        replace(house.modality, **wrong).send(dx(PICTURE))


def test_an_empty_list_of_callers_lets_everybody_in_and_says_so(tmp_path, caplog):
    with House(tmp_path, LIMITS.model_copy(update={"callers": ()})) as house:
        assert replace(house.modality, calling="ANYBODY").send(dx(PICTURE))[0].Status == 0x0000
    assert "every AE title may send" in caplog.text


def test_echo_is_answered(house):
    association = house.modality.associate([build_context(Verification)])
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_lossy_syntaxes_are_chosen_only_when_nothing_else_is_offered(house):
    offered = [JPEGBaseline8Bit, JPEGLosslessSV1]
    context = build_context(DigitalXRayImageStorageForPresentation, offered)
    association = house.modality.associate([context])
    assert association.accepted_contexts[0].transfer_syntax == [JPEGLosslessSV1]
    association.release()


def test_parallel_senders_lose_nothing(house):
    exams = [Exam(study=str(number)) for number in range(8)]
    answers = []

    def send(exam):
        images = [dx(PICTURE, exam=exam, number=number) for number in range(1, 5)]
        answers.extend(house.send(*images))

    threads = [threading.Thread(target=send, args=(exam,)) for exam in exams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0x0000] * 32
    assert len(house.spooled()) == len(house.ledger.files()) == 32
    assert len(house.ledger.waiting()) == 8


@pytest.mark.acceptance
@pytest.mark.skipif(tool("storescu") is None, reason="needs DCMTK")
def test_dcmtk_sends_and_is_told_what_became_of_it(house, tmp_path):
    file = save(dx(PICTURE), tmp_path / "image.dcm")
    assert storescu(house.receiver.port, "WRISTD", file)[0] == 0
    code, text = storescu(house.receiver.port, "SOMEBODY", file)
    assert code == 1
    assert "Called AE Title Not Recognized" in text
    code, text = storescu(house.receiver.port, "WRISTD", file, calling="STRANGER")
    assert "Calling AE Title Not Recognized" in text
    assert len(house.ledger.files()) == 1
