"""A receiver on loopback with its folders and its ledger, and objects that break the rules."""

import threading
from dataclasses import replace

import numpy as np
from pydicom import DataElement
from pydicom.uid import (
    ExplicitVRLittleEndian,
)
from pynetdicom.dsutils import encode

from daemon.errors import Unavailable
from daemon.intake.receive import Receiver
from daemon.intake.store.admit import Offer
from daemon.ledger.ledger import Ledger
from daemon.settings import DimseDestination, Node, Place, ReceiverSettings, Settings
from tests.support.fakes import FrozenClock, Modality

PACS = DimseDestination(name="pacs", ae_title="PACS", host="127.0.0.1", port=1)
CALLERS = ("MODALITY", "STORESCU")
LIMITS = ReceiverSettings(
    host="127.0.0.1", port=0, warn_free_bytes=0, min_free_bytes=0, callers=CALLERS
)
PICTURE = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)


class House:
    """A receiver with its folders and its ledger."""

    def __init__(self, root, limits=LIMITS, ledger=None, answers=None, clock=None):
        self.place = Place(root=root)
        self.place.create()
        self.ledger = ledger or Ledger(self.place.ledger)
        settings = Settings(node=Node(), receiver=limits, destinations=(PACS,))
        self.receiver = Receiver(settings, self.place, self.ledger, clock or FrozenClock(), answers)

    def __enter__(self):
        self.receiver.start()
        self.modality = Modality(self.receiver.port)
        return self

    def __exit__(self, *_exception):
        self.receiver.stop()
        self.counters = self.ledger.counters()
        self.ledger.close()

    def spooled(self):
        return sorted(path for path in self.place.spool.rglob("*") if path.is_file())

    def quarantined(self):
        return sorted(self.place.quarantine.iterdir())

    def send(self, *objects):
        return [answer.get("Status") for answer in self.modality.send(*objects)]


def raw(dataset, **changes):
    """The object as bytes, with elements of its data set or fields of its command changed."""
    for keyword in [key for key in changes if key[0].isupper()]:
        dataset.add(DataElement(keyword, "UI", changes.pop(keyword), validation_mode=0))
    meta = dataset.file_meta
    offer = Offer(
        sop_class_uid=str(meta.MediaStorageSOPClassUID),
        sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
        transfer_syntax=ExplicitVRLittleEndian,
        data_set=encode(dataset, is_implicit_vr=False, is_little_endian=True),
    )
    return replace(offer, **changes)


class LedgerAway(Ledger):
    """A ledger that can be told not to take arrivals, or to take its time."""

    def __init__(self, where):
        super().__init__(where)
        self.away, self.asked, self.hold = False, threading.Event(), threading.Event()
        self.hold.set()

    def record(self, arrivals):
        self.asked.set()
        self.hold.wait(5)
        if self.away:
            raise Unavailable("ledger: told to be away")
        return super().record(arrivals)
