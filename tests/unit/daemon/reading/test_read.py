"""Every image of a study ends with a category or with a reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from daemon.dicom.parse import read_header
from daemon.errors import Unavailable
from daemon.ledger.jobs.leases import Leases
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import study_states
from daemon.ledger.standing_alerts import standing_alerts
from daemon.reading.device.outputs import NetworkOutput
from daemon.reading.refused import NotReadable
from daemon.reading.sandbox import Decoders
from daemon.reading.worker import Worker
from daemon.records import Arrival, Category, Instance, Job, Reason, Reported
from daemon.settings import Reading
from daemon.signals import Signal
from model.package import FindingSpec, Gate, Golden, Manifest, ModelPackage
from model.pixels import CONTRACT_VERSION, PixelProfile
from tests.support import opening, phantoms
from tests.support.fakes import FrozenClock
from tests.support.ledgers import empty_file
from tests.support.objects import EXAM, Patient, dx, save

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class ConstantNetwork:
    """Answers every image alike."""

    provider = "CPUExecutionProvider"

    def __init__(self, logit=2.0, gate=5.0):
        self.logit, self.gate = logit, gate

    def run(self, images, targets):
        number = len(images)
        return NetworkOutput(
            logits=np.tile(np.array([[0.0, self.logit]], np.float32), (number, 1)),
            cam=np.ones((number, 4, 4), np.float32),
            gate=np.full(number, self.gate, np.float32),
        )


@pytest.fixture
def package(tmp_path):
    manifest = Manifest(
        name="constant",
        version="1",
        graph_sha256="0" * 64,
        pixel_contract=CONTRACT_VERSION,
        pixels=PixelProfile(size=64),
        activation="softmax",
        classes=("no_finding", "fracture"),
        findings=(
            FindingSpec(name="fracture", class_index=1, high_sensitivity=0.3, high_specificity=0.7),
        ),
        temperature=1.0,
        calibration="none",
        gate=Gate(accepts="wrist", threshold=0.5),
        cam_layer="x",
        golden=Golden(logits=(0.0, 0.0)),
        body_parts=("WRIST", "HAND"),
        min_age_years=2,
        training={},
        parity={},
    )
    return ModelPackage(tmp_path, manifest, "d" * 64)


def reader(package, tmp_path, network=None):
    return opening.reader(package, tmp_path, network or ConstantNetwork())


def job(tmp_path, *datasets):
    instances = []
    for number, dataset in enumerate(datasets):
        file = save(dataset, tmp_path / f"{number}.dcm")
        uids = (f"1.2.{number}", str(dataset.SOPClassUID))
        header = replace(read_header(file), sop_instance_uid=uids[0])
        instances.append(Instance(number, *uids, "p", file.name, "a" * 64, header))
    return Job(1, EXAM.study_uid, 1, "w", NOW + timedelta(seconds=60), tuple(instances))


@pytest.fixture(scope="module")
def picture():
    return phantoms.wrist("PA", "L", spacing_mm=0.5)


@pytest.mark.parametrize(
    ("logit", "category"),
    [(-3.0, Category.NEGATIVE), (0.0, Category.DOUBT), (3.0, Category.POSITIVE)],
)
def test_the_score_decides_between_the_operating_points(
    tmp_path, package, picture, logit, category
):
    made = reader(package, tmp_path, ConstantNetwork(logit)).read(job(tmp_path, dx(picture)), NOW)
    assert made.category is category
    [image] = made.images
    assert image.scores[0].probability == pytest.approx(1 / (1 + np.exp(-logit)))
    assert image.evidence["fracture"].shape == (4, 4)
    assert image.radiograph is not None
    assert made.model.provider == "CPUExecutionProvider"


def test_pixels_that_the_gate_refuses_are_not_a_wrist(tmp_path, package, picture):
    made = reader(package, tmp_path, ConstantNetwork(gate=-5.0)).read(
        job(tmp_path, dx(picture)), NOW
    )
    assert (made.category, made.reason) == (Category.NOT_ANALYSED, Reason.OTHER_BODY_PART)
    assert made.images[0].scores == ()


@pytest.mark.parametrize(
    ("exam", "reason"),
    [
        (replace(EXAM, body_part="CHEST"), Reason.OTHER_BODY_PART),
        (replace(EXAM, patient=Patient(age="018M")), Reason.AGE_OUT_OF_RANGE),
    ],
)
def test_a_header_outside_the_models_range_is_not_analysed(
    tmp_path, package, picture, exam, reason
):
    made = reader(package, tmp_path).read(job(tmp_path, dx(picture, exam=exam)), NOW)
    assert (made.category, made.reason) == (Category.NOT_ANALYSED, reason)


def test_an_unreadable_image_keeps_its_reason_beside_a_good_one(tmp_path, package, picture):
    broken = dx(picture, number=2)
    broken.PixelData = broken.PixelData[:100]
    made = reader(package, tmp_path).read(job(tmp_path, dx(picture), broken), NOW)
    assert made.category is Category.POSITIVE
    assert [image.reason for image in made.images] == [None, Reason.UNREADABLE]


def test_an_image_on_another_host_is_named_with_its_reason_and_decides_nothing(
    tmp_path, package, picture
):
    made = job(tmp_path, dx(picture), dx(picture, number=2))
    here, elsewhere = made.instances
    elsewhere = replace(elsewhere, is_here=False, header=None)
    (tmp_path / elsewhere.file).unlink()
    read = reader(package, tmp_path).read(replace(made, instances=(here, elsewhere)), NOW)
    assert read.category is Category.POSITIVE
    assert [one.reason for one in read.images] == [None, Reason.ON_ANOTHER_HOST]
    alone = reader(package, tmp_path).read(replace(made, instances=(elsewhere,)), NOW)
    assert (alone.category, alone.reason) == (Category.NOT_ANALYSED, Reason.ON_ANOTHER_HOST)


def test_two_patients_in_one_study_are_held(tmp_path, package, picture):
    other = dx(picture, number=2)
    other.PatientID = "DRAWN-2"
    two = job(tmp_path, dx(picture), other)
    made = reader(package, tmp_path).read(two, NOW)
    assert (made.category, made.reason) == (Category.NOT_ANALYSED, Reason.IDENTITY_CONFLICT)


def test_a_study_that_a_person_released_is_read_and_says_in_what_its_images_differ(
    tmp_path, package, picture
):
    other = dx(picture, number=2)
    other.PatientName = "DRAWN ONE"
    two = replace(job(tmp_path, dx(picture), other), is_released=True)
    made = reader(package, tmp_path).read(two, NOW)
    assert made.category is Category.POSITIVE
    assert made.disagreements == ("PatientName",)


def test_an_image_whose_file_is_gone_costs_that_image_only(tmp_path, package, picture):
    two = job(tmp_path, dx(picture), dx(picture, number=2))
    (tmp_path / "0.dcm").unlink()
    one = reader(package, tmp_path)

    def decode(file):
        if not file.exists():
            raise NotReadable(Reason.UNREADABLE, "its file is gone")
        return opening.decode_here(file)

    made = replace(one, decode=decode).read(two, NOW)
    assert [image.reason for image in made.images] == [Reason.UNREADABLE, None]
    assert made.images[0].header.patient_id == "DRAWN-1"


def test_of_raw_and_processed_films_of_one_view_the_processed_one_is_read(
    tmp_path, package, picture
):
    raw, other = dx(picture, "PA"), dx(picture, "LAT", number=3)
    for one in (raw, other):
        one.PresentationIntentType = "FOR PROCESSING"
    made = reader(package, tmp_path).read(job(tmp_path, raw, dx(picture, number=2), other), NOW)
    assert [image.reason for image in made.images] == [Reason.PRESENTATION_READ, None, None]


def test_each_image_is_told_to_the_lease_before_it_is_decoded(tmp_path, package, picture):
    kept = []
    one = reader(package, tmp_path)
    one.open(job(tmp_path, dx(picture), dx(picture, number=2)), NOW, lambda: kept.append(1))
    assert len(kept) == 2


def test_a_header_that_is_not_to_be_had_now_is_waited_for_or_left_out(tmp_path, package, picture):
    def away(_file, _named):
        raise Unavailable("spool: Input/output error")

    before = job(tmp_path, dx(picture))
    unread = replace(before, instances=(replace(before.instances[0], header=None),))
    one = replace(reader(package, tmp_path), describe=away)
    with pytest.raises(Unavailable):
        one.read(unread, NOW)
    given_up = one.unread(unread, Reason.FAILED_REPEATEDLY, NOW)
    assert given_up.images[0].header.study_uid == EXAM.study_uid


def test_images_with_two_birth_dates_are_held_though_the_patient_id_agrees(
    tmp_path, package, picture, caplog
):
    other = dx(picture, number=2)
    other.PatientBirthDate = "19810102"
    made = reader(package, tmp_path).read(job(tmp_path, dx(picture), other), NOW)
    assert (made.category, made.reason) == (Category.NOT_ANALYSED, Reason.IDENTITY_CONFLICT)
    assert "PatientBirthDate" in caplog.text
    assert "1981" not in caplog.text


def test_a_score_that_is_no_number_is_no_result(tmp_path, package, picture):
    made = reader(package, tmp_path, ConstantNetwork(np.nan)).read(job(tmp_path, dx(picture)), NOW)
    assert made.category is Category.NOT_ANALYSED


def test_more_images_than_a_batch_are_all_read(tmp_path, package, picture):
    datasets = [dx(picture, number=number) for number in range(1, 11)]
    made = reader(package, tmp_path).read(job(tmp_path, *datasets), NOW)
    assert [image.category for image in made.images] == [Category.POSITIVE] * 10


def spoil(file):
    """Let the disk not give a file any more."""
    file.unlink()
    file.mkdir()


def in_a_child(package, tmp_path, decoders):
    made = reader(package, tmp_path)
    return replace(made, decode=decoders.decode, describe=decoders.describe)


def test_a_file_that_the_disk_does_not_give_costs_its_image_and_not_the_others(
    tmp_path, package, picture, decoders, caplog
):
    study = job(tmp_path, dx(picture), dx(picture, number=2))
    spoil(tmp_path / "0.dcm")
    made = in_a_child(package, tmp_path, decoders).read(study, NOW)
    assert made.category is Category.POSITIVE
    assert [image.reason for image in made.images] == [Reason.UNREADABLE, None]
    assert "not analysed: spool: " in caplog.text


def test_a_disk_that_gives_no_file_of_a_study_at_all_is_waited_for(
    tmp_path, package, picture, decoders
):
    study = job(tmp_path, dx(picture), dx(picture, number=2))
    spoil(tmp_path / "0.dcm")
    spoil(tmp_path / "1.dcm")
    with pytest.raises(Unavailable, match="spool: "):
        in_a_child(package, tmp_path, decoders).read(study, NOW)


def test_an_image_of_which_not_even_the_header_can_be_read_costs_no_other(
    tmp_path, package, picture, decoders
):
    study = job(tmp_path, dx(picture), dx(picture, number=2))
    spoil(tmp_path / "0.dcm")
    nameless = replace(study.instances[0], header=None)
    study = replace(study, instances=(nameless, study.instances[1]))
    made = in_a_child(package, tmp_path, decoders).read(study, NOW)
    assert [image.category for image in made.images] == [Category.NOT_ANALYSED, Category.POSITIVE]


@pytest.fixture
def decoders():
    opened = Decoders(Reading(), 1)
    yield opened
    opened.close()


@pytest.fixture
def queue(tmp_path, picture):
    save(dx(picture), tmp_path / "0.dcm")
    ledger = Ledger(empty_file(tmp_path / "ledger.sqlite"))
    ledger.record(
        [Arrival("1.2", "1.2.1", "1.3", "1.2.840", "p", "a" * 64, "0.dcm", 1, "MOD", NOW)]
    )
    [study] = ledger.waiting()
    queue = Queue(ledger)
    queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    yield queue
    ledger.close()


def worker(queue, made_reader, report, at=NOW):
    settings = Reading(max_attempts=2, retry_delay_s=10.0)
    return Worker("w", queue, made_reader, report, ["pacs"], settings, FrozenClock(at))


def test_a_turn_settles_one_job_and_says_so(tmp_path, package, queue):
    one = worker(queue, reader(package, tmp_path), lambda _reading, _sources: Reported())
    assert one.turn() is True
    assert one.turn() is False
    [state] = study_states(queue.ledger)
    assert (state.state, state.category) == ("done", "positive")


def test_a_failing_study_is_tried_again_then_quarantined_with_an_outcome(tmp_path, package, queue):
    def fails(_reading, _sources):
        raise ZeroDivisionError

    made = reader(package, tmp_path)
    assert worker(queue, made, fails).turn() is True
    assert worker(queue, made, fails).turn() is False
    assert worker(queue, made, fails, NOW + timedelta(seconds=10)).turn() is True
    [state] = study_states(queue.ledger)
    assert (state.state, state.reason) == ("quarantined", "analysis failed repeatedly")
    alerts = [one.signal for one in standing_alerts(queue.ledger)]
    assert alerts == [Signal.STUDY_QUARANTINED, Signal.NO_REPORT]


def test_a_job_that_killed_its_workers_is_not_read_again(tmp_path, package, queue):
    for minute in (0, 2):
        queue.claim("w", NOW + timedelta(minutes=minute), timedelta(seconds=60))
        Leases(queue.ledger).expire(Leases(queue.ledger).running())
    later = NOW + timedelta(minutes=5)
    worker(queue, reader(package, tmp_path), lambda _r, _s: Reported(), later).turn()
    [state] = study_states(queue.ledger)
    assert state.reason == "analysis failed repeatedly"
