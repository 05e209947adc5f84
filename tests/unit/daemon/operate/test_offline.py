"""Reading without a ledger: what counts of what was given, and the folder of results."""

import os
import re
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from daemon.errors import Rejected, Strained, Unavailable
from daemon.intake.store.spool import digest_of
from daemon.ledger.jobs.inputs import Inputs
from daemon.ledger.ledger import Ledger
from daemon.operate.offline.account import SCHEMA, Account
from daemon.operate.offline.admission import Fate, Judged, found, judged
from daemon.operate.offline.contents import Contents, recorded
from daemon.operate.offline.folder import RESULTS, filled
from daemon.operate.offline.studies import Studies
from daemon.reading.device.guard import Offline
from daemon.reading.readers import nobody_asked
from daemon.records import Arrival, Category, Instance, Origin, Reason, Reported, StudyReading
from daemon.settings import DimseDestination, Settings
from tests.support.fakes import FrozenClock, to_wrist
from tests.support.ledgers import empty_file
from tests.support.objects import dx, save
from tests.support.receiving import PICTURE

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
NOBODY = 65534
SITE = Settings(
    destinations=(DimseDestination(kind="dimse", name="p", ae_title="P", host="127.0.0.1", port=1),)
)


def arrival(number, image, study, content):
    return Arrival(
        study_uid=f"1.2.{study}",
        sop_instance_uid=f"1.3.{image}",
        sop_class_uid="1.4",
        transfer_syntax_uid="1.5",
        patient_key="",
        digest=digest_of(f"{study} {content}".encode()),  # the study is part of the content
        file=f"{number}.dcm",
        size=1,
        calling_ae="",
        received_at=NOW + timedelta(seconds=number),
    )


few = st.integers(0, 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(few, few, few), max_size=12))
def test_what_counts_is_what_would_count_in_the_ledger(shots):
    arrivals = [arrival(number, *shot) for number, shot in enumerate(shots)]
    contents = Contents()
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(empty_file(Path(folder) / "ledger.sqlite"), migrate=False)
        for one in arrivals:
            assert [contents.record(one)] == ledger.record([one])
        there = {
            one.study_uid: list(map(told, Inputs(ledger).undescribed(one.study_id)))
            for one in ledger.waiting()
        }
        ledger.close()
    here = {uid: list(map(told, images)) for uid, images in contents.studies().items()}
    assert here == {uid: images for uid, images in there.items() if images}


def told(image):
    return image.sop_instance_uid, image.digest, image.revision


def test_each_file_is_told_what_became_of_it():
    shots = [(0, 0, 0), (0, 0, 0), (0, 0, 1), (1, 0, 0)]
    files = [
        Judged(str(number), Fate.READ, arrival=arrival(number, *shot))
        for number, shot in enumerate(shots)
    ]
    settled, _ = recorded([*files, Judged("text", Fate.REFUSED, "no DICOM")])
    assert [one.fate for one in settled] == ["replaced", "duplicate", "read", "read", "refused"]


@contextmanager
def without_privileges():
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_what_one_may_not_open_is_refused_in_the_systems_words(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    save(dx(PICTURE), folder / "film.dcm")
    folder.chmod(0)
    with without_privileges():
        files = found([folder, folder / "film.dcm"])
        fates = [judged(file, 1 << 20, Origin(), NOW) for file in files]
    folder.chmod(0o700)
    assert [one.name for one in fates] == [str(folder), str(folder / "film.dcm")]
    assert {one.reason for one in fates} == {"cannot be read: Permission denied"}


def test_a_medium_that_fails_is_refused_in_the_systems_words():
    refused = judged(Path("/proc/self/mem"), 1 << 20, Origin(), NOW)
    assert refused.reason == "cannot be read: Input/output error"


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    file = save(dx(PICTURE), tmp_path / "film.dcm")
    with file.open("ab") as stream:
        stream.truncate(1 << 40)
    assert judged(file, 1 << 20, Origin(), NOW).reason == "object is larger than this node takes"


def test_a_name_that_is_no_text_is_shown_as_text(tmp_path):
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[2J.dcm"))
    file.touch()
    name = judged(file, 1 << 20, Origin(), NOW).name
    assert name.endswith(r"/\xff\x1b[2J.dcm")


def test_files_are_found_once_and_sorted(tmp_path):
    for name in ("b/2", "b/1", "a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = found([tmp_path / "b" / "2", tmp_path])
    assert [str(file.relative_to(tmp_path)) for file in files] == ["a", "b/1", "b/2"]


def test_the_folder_is_there_when_it_is_whole_and_holds_no_more_than_that(tmp_path):
    out = tmp_path / "new" / "out"
    with filled(out) as folder:
        (folder / "study").mkdir()
        (folder / RESULTS).touch()
        assert not (out / RESULTS).exists()
    assert sorted(path.name for path in out.iterdir()) == [RESULTS, "study"]


def fill_and_end(out):
    with filled(out) as folder:
        (folder / "study").mkdir()
        raise SystemExit(143)


@pytest.mark.parametrize("was_there", [True, False])
def test_what_is_given_up_leaves_nothing(tmp_path, was_there):
    out = tmp_path / "out"
    if was_there:
        out.mkdir()
    with pytest.raises(SystemExit):
        fill_and_end(out)
    assert out.exists() == was_there
    assert not was_there or list(out.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Rejected, match="cannot be used"), filled(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


class Failing:
    """A reader that fails as often as it is told to."""

    def __init__(self, *errors):
        self.errors = list(errors)

    def open(self, job, now, _keep):
        if self.errors:
            raise self.errors.pop(0)
        return reading(job, None, now)

    def unread(self, job, reason, now):
        return reading(job, reason, now)


def reading(job, reason, now):
    category = Category.NOT_ANALYSED if reason else Category.NEGATIVE
    return StudyReading(job.study_uid, category, reason, (), nobody_asked(), "", now)


def outcome_after(reader, report=lambda _reading, _withdrawal: Reported([])):
    images = (Instance(0, "1.3.1", "1.4", "", "/film.dcm", ""),)
    described = Studies(SITE, reader, report, lambda _file, named: named, to_wrist, FrozenClock())
    [(one, _files)] = described.read("1.2.1", images)
    return one.reason


def test_a_reading_that_fails_is_tried_again_as_often_as_the_settings_say():
    most = SITE.reading.max_attempts
    assert outcome_after(Failing(*[Strained("worn out")] * (most - 1))) is None
    assert outcome_after(Failing(*[KeyError()] * most)) is Reason.FAILED_REPEATEDLY


def test_a_device_that_is_lost_is_model_offline():
    assert outcome_after(Failing(Offline("lost"))) is Reason.MODEL_OFFLINE


def test_a_defect_in_a_report_costs_the_outcome_and_a_full_disk_the_run():
    def broken(error):
        def report(_reading, _withdrawal):
            raise error

        return report

    assert outcome_after(Failing(), broken(KeyError())) is Reason.FAILED_REPEATEDLY
    with pytest.raises(Unavailable):
        outcome_after(Failing(), broken(Unavailable("no space")))


def test_the_page_names_every_field_of_results_json():
    page = (Path(__file__).parents[4] / "docs" / "read.md").read_text()
    named = set(re.findall(r"`(\w+)`", page))
    assert f'"{SCHEMA}"' in page
    assert set(fields_of(Account)) - named == set()
    assert {str(fate) for fate in Fate} - named == set()


def fields_of(model):
    for name, field in model.model_fields.items():
        yield field.alias or name
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from fields_of(inner)


def test_the_schema_takes_no_field_that_it_does_not_know():
    said = Account(settings_digest="", read_at=NOW, files=(), studies=()).model_dump(by_alias=True)
    assert said["schema"] == SCHEMA
    for changed in ({**said, "more": 1}, {**said, "schema": "wristd.read/2"}):
        with pytest.raises(ValueError, match="1 validation error"):
            Account.model_validate(changed)
