"""The outbox: whole files under names that tell nothing, or nothing at all."""

import stat

import pytest
from pydicom import dcmread

from daemon.errors import Unavailable
from daemon.results.build import build_results
from daemon.results.outbox import write
from daemon.results.validate import InvalidResult
from daemon.settings import ReportSettings
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import image_reading, study_reading


@pytest.fixture
def reading():
    return study_reading([image_reading(dx(wrist("PA", spacing_mm=0.6)), 0.9)])


def test_every_result_is_a_file_that_reads_back(tmp_path, reading):
    results = build_results(reading, ReportSettings())
    files = write(results, tmp_path, reading.study_uid)
    assert len(files) == len(results)
    for record, result in zip(files, results, strict=True):
        read = dcmread(tmp_path / record.file)
        assert read.SOPInstanceUID == record.sop_instance_uid == result.dataset.SOPInstanceUID
        assert read.file_meta.TransferSyntaxUID == record.transfer_syntax_uid


def test_writing_twice_gives_the_same_files(tmp_path, reading):
    contents = []
    for _ in range(2):
        write(build_results(reading, ReportSettings()), tmp_path, reading.study_uid)
        contents.append({file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()})
    assert contents[0] == contents[1]


def test_names_tell_nothing_of_study_or_patient(tmp_path, reading):
    for record in write(build_results(reading, ReportSettings()), tmp_path, reading.study_uid):
        assert reading.study_uid not in record.file
        assert reading.images[0].header.patient_id not in record.file


def test_one_invalid_object_keeps_all_from_being_written(tmp_path, reading):
    results = build_results(reading, ReportSettings())
    del results[-1].dataset.PixelData
    with pytest.raises(InvalidResult):
        write(results, tmp_path, reading.study_uid)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_disk_that_takes_nothing_is_tried_again_later(tmp_path, reading):
    (tmp_path / "outbox").write_text("a file where the folder should be")
    with pytest.raises(Unavailable):
        write(build_results(reading, ReportSettings()), tmp_path / "outbox", reading.study_uid)


def test_results_are_readable_by_the_daemon_only(tmp_path, reading):
    write(build_results(reading, ReportSettings()), tmp_path, reading.study_uid)
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
