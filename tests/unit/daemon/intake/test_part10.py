"""The start of a file, written and read back."""

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.uid import DigitalXRayImageStorageForPresentation, JPEGLSLossless

from daemon.dicom.source import Unreadable
from daemon.identity import IMPLEMENTATION_CLASS_UID
from daemon.intake.store.admit import Offer
from daemon.intake.store.part10 import file_start, offer_of

OFFER = Offer(DigitalXRayImageStorageForPresentation, "1.2.3.4", JPEGLSLossless, b"")


def test_others_read_what_we_write():
    meta = dcmread(BytesIO(file_start(OFFER))).file_meta
    assert meta.MediaStorageSOPClassUID == OFFER.sop_class_uid
    assert meta.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert meta.TransferSyntaxUID == JPEGLSLossless


def test_a_file_is_read_back_as_the_object_it_was():
    assert offer_of(file_start(OFFER)) == OFFER


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(200), file_start(OFFER)[:160]])
def test_what_is_no_file_of_ours_is_unreadable(content):
    with pytest.raises(Unreadable):
        offer_of(content)


def test_the_group_length_counts_what_follows_it():
    start = file_start(OFFER)
    meta = dcmread(BytesIO(start)).file_meta
    assert meta.FileMetaInformationGroupLength == len(start) - 132 - 12
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
