"""Couriers and archives over real sockets: what is sent, settled, put off, parked."""

from dataclasses import replace

import pytest
from pydicom import dcmread
from pydicom.uid import DigitalXRayImageStorageForPresentation as Dx
from pydicom.uid import ImplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from daemon.logs import study_key
from daemon.settings import DimseDestination
from tests.support.fakes import Archive
from tests.support.office import PATIENCE, STUDY, Office
from tests.support.tools import free_port

YEAR_S = 365 * 86400.0


@pytest.fixture
def office(tmp_path):
    opened = Office(tmp_path)
    yield opened
    opened.ledger.close()


def test_results_arrive_byte_for_byte_over_one_association(office):
    with Archive() as archive:
        assert office.turn(archive.destination()) == 2
        assert archive.associations == 1
        assert list(archive.kept) == [file.sop_instance_uid for file in office.files]
        for file in office.files:
            assert archive.kept[file.sop_instance_uid] == [dcmread(office.root / file.file)]
    assert office.states() == ["delivered", "delivered"]
    assert [row.status for row in office.rows()] == [0, 0]


def test_nothing_due_opens_no_association(office):
    with Archive() as archive:
        office.turn(archive.destination())
        assert office.turn(archive.destination()) == 0
        assert archive.associations == 1


def test_a_warning_means_stored(office):
    with Archive(deeds=[0xB000, 0xB007]) as archive:
        office.turn(archive.destination())
    assert office.states() == ["delivered", "delivered"]
    assert [row.status for row in office.rows()] == [0xB000, 0xB007]


def test_an_archive_that_is_away_is_tried_again_later(office):
    away = DimseDestination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=free_port())
    assert office.turn(away) == 2
    assert office.states() == ["pending", "pending"]
    assert office.turn(away) == 0
    office.clock.advance(PATIENCE.first_delay_s)
    with Archive(port=away.port) as archive:
        assert office.turn(archive.destination()) == 2
    assert office.states() == ["delivered", "delivered"]


def test_a_six_hour_outage_ends_with_everything_delivered(office):
    away = DimseDestination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=free_port())
    for _ in range(6 * 6):
        office.turn(away)
        office.clock.advance(600.0)
    assert office.rows()[0].attempts == 6 * 6
    assert office.states() == ["pending", "pending"]
    with Archive(port=away.port) as archive:
        office.turn(archive.destination())
        assert len(archive.kept) == 2
    assert office.states() == ["delivered", "delivered"]


def test_out_of_resources_passes(office):
    with Archive(deeds=[0xA700]) as archive:
        office.turn(archive.destination())
        assert office.states() == ["pending", "delivered"]
        office.clock.advance(PATIENCE.first_delay_s)
        office.turn(archive.destination())
    assert office.states() == ["delivered", "delivered"]


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0x0122, 0x0124])
def test_what_is_refused_for_good_is_parked_at_once_and_said(office, caplog, status):
    with Archive(deeds=[status]) as archive:
        assert office.turn(archive.destination()) == 2
    assert office.states() == ["parked", "delivered"]
    assert office.rows()[0].status == status
    [warning] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert warning.name == "daemon.delivery.courier"
    assert warning.study == study_key(STUDY)
    assert warning.destination == "archive"
    assert warning.status == f"{status:04X}"


def test_a_lost_answer_leads_to_a_resend_under_the_same_uid(office):
    with Archive(deeds=["abort after storing"]) as archive:
        assert office.turn(archive.destination()) == 1
        assert office.states() == ["pending", "pending"]
        office.clock.advance(PATIENCE.first_delay_s)
        assert office.turn(archive.destination()) == 2
        assert [len(copies) for copies in archive.kept.values()] == [2, 1]
    assert office.states() == ["delivered", "delivered"]


def test_an_object_that_makes_the_archive_hang_up_does_not_hold_back_the_rest(office):
    with Archive(deeds=["hang up"]) as archive:
        assert office.turn(archive.destination()) == 1
        assert office.turn(archive.destination()) == 1
        assert list(archive.kept) == [office.files[1].sop_instance_uid]
    assert office.states() == ["pending", "delivered"]


def no_sender(_destination, _outgoing):
    """A defect that is met before anything is sent."""
    raise ZeroDivisionError


def test_a_defect_of_ours_is_not_taken_for_an_archive_that_does_not_answer(office):
    with Archive() as archive:
        courier = replace(office.courier(archive.destination()), sender_for=no_sender)
        for _ in range(2 * PATIENCE.breaker_failures):
            assert courier.turn(office.clock()) == 1
            office.clock.advance(PATIENCE.max_delay_s)
    assert not courier.breaker.is_on_trial
    assert office.states() == ["pending", "pending"]


def test_a_permanent_rejection_parks_at_once(office):
    with Archive(callers=("SOMEBODY",)) as archive:
        office.turn(archive.destination())
    assert office.states() == ["parked", "parked"]
    assert "Calling AE title not recognised" in office.rows()[0].detail


def test_a_transient_rejection_is_put_off(office):
    with Archive(max_associations=1) as archive:
        holder = AE()
        holder.add_requested_context(Dx)
        held = holder.associate("127.0.0.1", archive.port, ae_title="ARCHIVE")
        office.turn(archive.destination())
        held.release()
    assert office.states() == ["pending", "pending"]
    assert "rejected" in office.rows()[0].detail


@pytest.mark.parametrize("taken", [[Verification], [SecondaryCaptureImageStorage]])
def test_a_class_that_the_archive_does_not_take_is_parked(office, taken):
    with Archive(sop_classes=taken) as archive:
        office.turn(archive.destination())
    assert office.states() == ["parked", "parked"]


def test_a_missing_result_file_is_parked_and_the_rest_delivered(office):
    (office.root / "1.dcm").unlink()
    with Archive() as archive:
        office.turn(archive.destination())
    assert office.states() == ["parked", "delivered"]


def test_a_damaged_result_file_is_parked_and_the_rest_delivered(office):
    (office.root / "1.dcm").write_bytes(b"damaged")
    with Archive() as archive:
        while office.turn(archive.destination()):
            pass
    assert office.states() == ["parked", "delivered"]


def test_what_was_tried_for_too_long_is_given_up_and_said(office, caplog):
    away = DimseDestination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=free_port())
    courier = office.courier(away)
    courier.turn(office.clock.steady())
    office.clock.advance(PATIENCE.give_up_after_s)
    courier.turn(office.clock.steady())
    assert office.states() == ["parked", "parked"]
    assert "given up" in caplog.text


@pytest.mark.parametrize("jump_s", [-YEAR_S, -3600.0, 3600.0, YEAR_S])
def test_a_clock_that_is_set_gives_nothing_up_and_changes_no_wait(office, jump_s):
    away = DimseDestination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=free_port())
    courier = office.courier(away)
    assert courier.turn(office.clock.steady()) == 2
    office.clock.set_by(jump_s)
    assert courier.turn(office.clock.steady()) == 0
    office.clock.advance(PATIENCE.first_delay_s)
    assert courier.turn(office.clock.steady()) == 2
    office.clock.set_by(jump_s)
    office.clock.advance(PATIENCE.max_delay_s)
    with Archive(port=away.port):
        assert courier.turn(office.clock.steady()) == 2
    assert office.states() == ["delivered", "delivered"]


def test_a_daemon_that_was_off_for_a_year_tries_before_it_gives_up(office):
    away = DimseDestination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=free_port())
    office.clock.advance(YEAR_S)
    office.turn(away)
    assert office.states() == ["pending", "pending"]


def test_one_destination_away_does_not_hold_back_another(tmp_path):
    office = Office(tmp_path, destinations=("away", "archive"))
    office.turn(DimseDestination(name="away", ae_title="AWAY", host="127.0.0.1", port=free_port()))
    with Archive() as archive:
        office.turn(archive.destination())
    assert office.states("away") == ["pending", "pending"]
    assert office.states("archive") == ["delivered", "delivered"]
    office.ledger.close()


def test_a_silent_archive_is_left_alone_and_tried_with_one_object(tmp_path):
    office = Office(tmp_path, results=4)
    away = DimseDestination(name="archive", ae_title="ARCHIVE", host="127.0.0.1", port=free_port())
    courier = office.courier(away)
    for _ in range(PATIENCE.breaker_failures):
        assert courier.turn(office.clock()) == 4
        office.clock.advance(PATIENCE.max_delay_s)
    office.clock.advance(-PATIENCE.max_delay_s)
    assert courier.turn(office.clock()) == 0
    with Archive(port=away.port) as archive:
        office.clock.advance(PATIENCE.max_delay_s)
        assert courier.turn(office.clock()) == 1
        assert courier.turn(office.clock()) == 3
        assert len(archive.kept) == 4
    office.ledger.close()


def test_an_archive_that_takes_implicit_vr_only_gets_everything(office):
    with Archive(syntaxes=[ImplicitVRLittleEndian]) as archive:
        office.turn(archive.destination())
        for file in office.files:
            [kept] = archive.kept[file.sop_instance_uid]
            assert kept.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
            assert kept.PixelData == dcmread(office.root / file.file).PixelData
    assert office.states() == ["delivered", "delivered"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"MessageIDBeingRespondedTo": 77},
        {"AffectedSOPInstanceUID": "1.2.3.4"},
        {"CommandField": 0x8030},
    ],
)
def test_an_answer_to_something_else_settles_nothing(office, wrong):
    with Archive(answers=wrong) as archive:
        office.turn(archive.destination())
    assert office.states() == ["pending", "pending"]
    office.clock.advance(PATIENCE.first_delay_s)
    with Archive(port=archive.port) as archive:
        office.turn(archive.destination())
    assert office.states() == ["delivered", "delivered"]


def test_an_archive_of_tiny_pdus_is_named_and_tried_again_later(office, caplog):
    with Archive(max_pdu=12) as archive:
        office.turn(archive.destination())
        assert archive.kept == {}
    assert office.states() == ["pending", "pending"]
    assert "PDUs of 12 bytes only" in office.rows()[0].detail
