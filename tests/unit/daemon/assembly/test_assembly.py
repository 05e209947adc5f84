"""When a study becomes a job: quiet period, senders still at work, needed views, urgency."""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import event
from typing_extensions import override

from daemon.assembly.sweep import Sweep
from daemon.errors import Unavailable
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.records import Arrival, Reason
from daemon.settings import Assembly
from tests.support.fakes import FrozenClock, to_wrist
from tests.support.ledgers import empty_file
from tests.support.objects import Exam, Patient, dx, save
from tests.support.opening import describe_here

LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Picky(Queue):
    """Fails at one study, whatever is asked of it."""

    refuses: int = 0

    @override
    def enqueue(self, study_id, *args, **rest):
        if study_id == self.refuses:
            raise ZeroDivisionError
        return super().enqueue(study_id, *args, **rest)


class Desk:
    """A spool, a ledger and the clock work over them."""

    def __init__(self, folder, **rule):
        self.folder = folder
        self.clock = FrozenClock()
        self.ledger = Ledger(empty_file(folder / "ledger.sqlite"))
        self.queue = Queue(self.ledger)
        self.sending = set()
        self.sweep = Sweep(
            self.ledger,
            self.queue,
            Assembly(quiet_period_s=30.0, hard_cap_s=900.0, **rule),
            {"wrist": "recipe"},
            to_wrist,
            self.clock,
            folder,
            self._describe,
            lambda: self.sending,
        )
        self.defects = []
        self.not_given = []
        self.described = []

    def _describe(self, file, named):
        self.described.append(file.name)
        if file.name in self.defects:
            raise ZeroDivisionError
        if file.name in self.not_given:
            raise Unavailable("spool: Input/output error")
        return describe_here(file, named)

    def receive(self, view, number=1, calling_ae="MODALITY", study="1", **extra):
        exam = Exam(Patient(), study=study)
        image = dx(np.full((8, 8), 7, np.uint16), view, exam, number=number)
        for keyword, value in extra.items():
            setattr(image, keyword, value)
        save(image, self.folder / f"{number}.dcm")
        values = (exam.study_uid, image.SOPInstanceUID, image.SOPClassUID, "1.2.840.10008.1.2.1")
        rest = ("p", f"{number:064}", f"{number}.dcm", 1, calling_ae, self.clock())
        self.ledger.record([Arrival(*values, *rest)])
        return exam.study_uid

    def after(self, seconds):
        self.clock.advance(seconds)
        self.sweep.assemble()
        return self.queue.claim("w", self.clock(), LEASE)


@pytest.fixture
def desk(tmp_path):
    opened = []

    def make(**rule):
        opened.append(Desk(tmp_path, **rule))
        return opened[0]

    yield make
    opened[0].ledger.close()


def test_a_study_waits_while_an_association_is_still_sending_it(desk):
    at = desk()
    at.sending = {at.receive("PA")}
    assert at.after(300) is None
    at.receive("LAT", number=2)
    at.sending = set()
    assert len(at.after(30).instances) == 2


def test_the_hard_cap_ends_every_wait(desk):
    at = desk()
    at.sending = {at.receive("PA")}
    assert at.after(900) is not None


def test_a_study_with_all_needed_views_does_not_wait_for_the_cap(desk):
    at = desk(needed_views=("PA", "LAT"))
    at.receive("PA")
    assert at.after(300) is None
    at.receive("LAT", number=2)
    assert at.after(30).reason is None


def test_missing_views_have_an_explicit_outcome_at_the_cap_that_a_late_image_supersedes(desk):
    at = desk(needed_views=("PA", "LAT"))
    at.receive("LAT")
    assert at.after(30) is None
    first = at.after(870)
    assert first.reason is Reason.VIEWS_MISSING
    at.queue.release("w")
    at.receive("PA", number=2)
    second = at.after(30)
    assert second.reason is None
    assert len(second.instances) == 2


@pytest.mark.parametrize(
    ("calling_ae", "extra", "priority"),
    [
        ("CASUALTY", {}, 0),
        ("X", {"RequestedProcedurePriority": "STAT"}, 0),
        ("X", {}, 1),
        ("(fetched)", {}, 2),
    ],
)
def test_urgent_studies_go_first_and_fetched_ones_last(desk, calling_ae, extra, priority):
    at = desk(urgent_callers=("CASUALTY",))
    at.receive("PA", calling_ae=calling_ae, **extra)
    at.sweep.ledger.record([])
    at.clock.advance(30)
    at.sweep.assemble()
    with at.ledger.snapshot() as connection:
        assert connection.exec_driver_sql("SELECT priority FROM job").scalar() == priority


def test_each_header_is_read_once(desk):
    at = desk(needed_views=("PA", "LAT"))
    at.receive("PA")
    at.after(30)
    at.after(30)
    at.receive("LAT", number=2)
    assert [one.header.view for one in at.after(30).instances] == ["PA", "LAT"]
    assert sorted(at.described) == ["1.dcm", "2.dcm"]


def test_a_study_that_lacks_a_view_costs_nothing_until_something_comes(desk):
    at = desk(needed_views=("PA", "LAT"))
    for number in range(1, 6):
        at.receive("PA", number=number, study=f"1.{number}")
    at.after(30)
    statements = []
    event.listen(at.ledger.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    at.sweep.assemble()
    assert len([one for one in statements if one.startswith("SELECT")]) == 1
    at.receive("LAT", number=6, study="1.1")
    assert len(at.after(30).instances) == 2


def test_a_study_that_cannot_be_assembled_keeps_no_other_from_it_and_has_its_outcome(desk):
    at = desk()
    at.receive("PA", study="bad")
    at.defects = ["1.dcm"]
    at.receive("PA", number=2, study="good")
    assert at.after(30).instances[0].file == "2.dcm"
    assert at.after(1) is None
    assert at.after(1).reason is Reason.FAILED_REPEATEDLY
    assert at.ledger.waiting() == []


def test_a_study_that_no_job_can_be_made_of_keeps_no_other_from_it(desk):
    at = desk()
    at.receive("PA", study="bad")
    [bad] = at.ledger.waiting()
    at.sweep = replace(at.sweep, queue=Picky(at.ledger, refuses=bad.study_id))
    for number in (2, 3, 4, 5):
        at.receive("PA", number=number, study=f"good {number}")
        assert at.after(30).instances[0].file == f"{number}.dcm"
    assert [one.study_id for one in at.ledger.waiting()] == [bad.study_id]


def test_attributes_that_say_nothing_are_counted(desk):
    at = desk()
    at.receive("PA", PatientOrientation=["X", "Y"])
    assert at.after(30) is not None
    assert at.ledger.counters()["unreadable_attributes"] == 1


def test_a_view_that_is_only_coded_counts_as_there(desk):
    at = desk(needed_views=("LAT",))
    at.receive("LAT", ViewPosition="")
    assert at.after(30).reason is None


def test_one_header_that_the_disk_does_not_give_holds_up_its_study_for_moments_only(desk, caplog):
    at = desk()
    at.receive("PA")
    at.receive("LAT", number=2)
    at.not_given = ["1.dcm"]
    assert at.after(30) is None
    assert at.after(1) is None
    assert len(at.after(1).instances) == 2
    assert caplog.text.count("a header waits: spool: Input/output error") == 1


def test_a_study_of_which_no_header_is_known_waits_for_the_disk(desk):
    at = desk()
    at.receive("PA")
    at.not_given = ["1.dcm"]
    for _ in range(30):
        assert at.after(20) is None
    at.not_given = []
    assert at.after(1).instances[0].header is not None
