"""What comes in, what is ignored, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from pydicom import DataElement
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)
from pynetdicom.dsutils import encode

from daemon.dicom.status import Status
from daemon.identity import MANUFACTURER, PRODUCT, derived_uid
from daemon.intake.store.admit import (
    ANALYSED_SOP_CLASSES,
    Admitted,
    Ignored,
    Offer,
    Refusal,
    Refused,
    admit,
)
from tests.support.objects import Exam, Patient, cr, dx

PICTURE = np.zeros((8, 8), np.uint16)
LIMIT = 1 << 20


def offer(dataset, syntax=ExplicitVRLittleEndian):
    return Offer(
        sop_class_uid=str(dataset.file_meta.MediaStorageSOPClassUID),
        sop_instance_uid=str(dataset.file_meta.MediaStorageSOPInstanceUID),
        transfer_syntax=syntax,
        data_set=encode(
            dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated
        ),
    )


def test_a_radiograph_is_admitted_under_its_uids():
    image = dx(PICTURE)
    admitted = admit(offer(image), LIMIT)
    assert isinstance(admitted, Admitted)
    assert admitted.sop_class_uid == DigitalXRayImageStorageForPresentation
    assert admitted.sop_instance_uid == image.SOPInstanceUID
    assert admitted.study_uid == image.StudyInstanceUID
    assert admitted.transfer_syntax_uid == ExplicitVRLittleEndian


def test_exactly_cr_and_dx_are_analysed():
    root = "1.2.840.10008.5.1.4.1.1.1"
    assert {root, f"{root}.1", f"{root}.1.1"} == ANALYSED_SOP_CLASSES


@pytest.mark.parametrize(
    ("patient", "same"),
    [
        (Patient(name="ANOTHER^NAME"), True),
        (Patient(patient_id="ANOTHER"), False),
        (Patient(issuer="ANOTHER"), False),
        (Patient(patient_id=" DRAWN-1 "), True),
    ],
)
def test_the_patient_key_depends_on_id_and_issuer_alone(patient, same):
    one = admit(offer(cr(PICTURE)), LIMIT)
    other = admit(offer(cr(PICTURE, exam=Exam(patient=patient))), LIMIT)
    assert (one.patient_key == other.patient_key) is same


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Manufacturer", MANUFACTURER),
        ("ManufacturerModelName", PRODUCT),
        ("SeriesInstanceUID", derived_uid("series")),
    ],
)
def test_our_own_work_is_ignored_whatever_its_class_and_uid(keyword, value):
    image = dx(PICTURE)
    setattr(image, keyword, value)
    assert admit(offer(image), LIMIT) is Ignored.SELF_OUTPUT


def test_our_own_uid_is_enough_and_the_data_set_is_not_read():
    own = Offer(CTImageStorage, derived_uid("x"), ExplicitVRLittleEndian, b"noise")
    assert admit(own, LIMIT) is Ignored.SELF_OUTPUT


def test_a_class_that_is_not_analysed_is_not_even_read():
    other = Offer(CTImageStorage, "1.2.3", ExplicitVRLittleEndian, b"noise")
    assert admit(other, LIMIT) is Ignored.SOP_CLASS


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
@pytest.mark.parametrize(
    "uid",
    ["", "../../../x", "1.2/../3", "1.x.3", "1..2", ".1.2", "1.2.", "1" * 65, "1.2\\3", "1.2.3a"],
)
def test_an_invalid_uid_is_not_understood(keyword, uid):
    image = dx(PICTURE)
    image.add(DataElement(keyword, "UI", uid, validation_mode=0))
    with pytest.raises(Refused, match="UID is") as refused:
        admit(offer(image), LIMIT)
    assert refused.value.status is Status.CANNOT_UNDERSTAND


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID"])
def test_a_data_set_that_is_not_what_the_command_says_is_a_mismatch(keyword):
    image = dx(PICTURE)
    setattr(image, keyword, "1.2.3")
    with pytest.raises(Refused) as refused:
        admit(offer(image), LIMIT)
    assert refused.value.status is Status.DATA_SET_MISMATCH


def test_a_deflated_data_set_may_not_grow_beyond_the_limit():
    small = offer(dx(np.zeros((512, 512), np.uint16)), DeflatedExplicitVRLittleEndian)
    assert len(small.data_set) < 4096
    with pytest.raises(Refused) as refused:
        admit(small, 4096)
    assert refused.value.refusal is Refusal.TOO_LARGE


def test_every_comment_fits_and_names_no_value():
    image = offer(dx(PICTURE))
    broken = [
        replace(image, data_set=image.data_set[:-1]),
        replace(image, data_set=b"\xff" * 99),
        replace(image, data_set=bytes(LIMIT + 1)),
        replace(image, sop_instance_uid="1.2.3"),
    ]
    for one in broken:
        with pytest.raises(Refused) as refused:
            admit(one, LIMIT)
        assert 0 < len(str(refused.value)) <= 64
        assert "DRAWN" not in str(refused.value)
