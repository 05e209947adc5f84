"""A ledger with one read study whose results wait in the outbox."""

from datetime import UTC, datetime, timedelta
from threading import Event

import numpy as np
from pydicom.uid import DigitalXRayImageStorageForPresentation as Dx
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import select

from daemon.calling.outgoing import Outgoing
from daemon.calling.scu import Caller
from daemon.calling.web import WebCaller
from daemon.delivery.courier import Courier
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.tables import DeliveryRow
from daemon.records import (
    Arrival,
    Category,
    ImageReading,
    ModelIdentity,
    ResultFile,
    StudyReading,
)
from daemon.settings import DeliverySettings
from tests.support.fakes import FrozenClock
from tests.support.ledgers import empty_file
from tests.support.objects import dx, save

STUDY = "1.2.3"
PATIENCE = DeliverySettings(
    first_delay_s=10.0, max_delay_s=60.0, give_up_after_s=86400.0, timeout_s=5.0
)
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def calling(timeout_s, tls=None, ae_title="WRISTD"):
    """Return what a daemon calls its peers by."""
    stopping = Event()
    return Outgoing(
        Caller(ae_title, timeout_s, tls, stopping),
        WebCaller(timeout_s, stopping=stopping),
        stopping,
    )


class Office:
    """A ledger with one read study whose results wait in the outbox."""

    def __init__(self, root, results=2, destinations=("archive",)):
        self.root = root
        self.clock = FrozenClock(START)
        self.ledger = Ledger(empty_file(root / "ledger.sqlite"))
        self.deliveries = Deliveries(self.ledger)
        self.files = [self._result(number) for number in range(1, results + 1)]
        self._read_study(list(destinations))

    def _result(self, number):
        image = dx(np.full((16, 16), number, np.uint16), number=number)
        save(image, self.root / f"{number}.dcm")
        return ResultFile(
            kind="SC",
            sop_class_uid=Dx,
            sop_instance_uid=image.SOPInstanceUID,
            series_instance_uid=image.SeriesInstanceUID,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            file=f"{number}.dcm",
        )

    def _read_study(self, destinations):
        queue = Queue(self.ledger)
        values = (STUDY, f"{STUDY}.1", Dx, ExplicitVRLittleEndian, "p", "a" * 64, "f", 1, "AE")
        self.ledger.record([Arrival(*values, START)])
        [study] = self.ledger.waiting()
        queue.enqueue(study.study_id, {"wrist": "recipe"}, START)
        job = queue.claim("w", START, timedelta(seconds=60))
        model = ModelIdentity("m", "1", "d", "none", "CPUExecutionProvider")
        image = ImageReading(f"{STUDY}.1", Category.NEGATIVE)
        reading = StudyReading(STUDY, Category.NEGATIVE, None, (image,), model, "s", START)
        assert queue.finish(job, reading, self.files, destinations, START)

    def courier(self, destination, tls=None):
        outgoing = calling(PATIENCE.timeout_s, tls)
        return Courier(destination, outgoing, self.deliveries, self.root, PATIENCE, self.clock)

    def turn(self, destination, tls=None):
        return self.courier(destination, tls=tls).turn(self.clock())

    def rows(self, destination="archive"):
        query = select(DeliveryRow).where(DeliveryRow.destination == destination)
        with self.ledger.snapshot() as connection:
            return connection.execute(query.order_by(DeliveryRow.id)).all()

    def states(self, destination="archive"):
        return [row.state for row in self.rows(destination)]
