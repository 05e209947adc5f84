"""The archive that stands in where Orthanc is not installed."""

from tests.support.objects import EXAM, save_all, study_of
from tests.support.peers import running_pacs
from tests.support.phantoms import wrist


def test_embedded_archives_pass_a_study_on_unchanged(tmp_path):
    images = study_of([(view, wrist(view, spacing_mm=1.0)) for view in ("PA", "LAT")])
    files = save_all(images, tmp_path / "in")
    with (
        running_pacs(tmp_path / "one", embedded=True) as sender,
        running_pacs(tmp_path / "two", embedded=True) as receiver,
    ):
        sender.knows(receiver.ae_title, receiver.port)
        sender.keep(files)
        sender.forward(EXAM.study_uid, receiver.ae_title)
        assert receiver.studies() == {EXAM.study_uid}
        arrived = {one.SOPInstanceUID: one.PixelData for one in receiver.objects(EXAM.study_uid)}
    assert arrived == {one.SOPInstanceUID: one.PixelData for one in images}
