"""The receiver of the PDU fuzz: in this process, as the daemon has it, and watched."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOBase
from pathlib import Path

from typing_extensions import override

from daemon import logs
from daemon.calling.outgoing import build_outgoing
from daemon.clock import Chronometer, utc_now
from daemon.intake.receive import Receiver
from daemon.ledger.ledger import Ledger
from daemon.service.safekeeping import build_safekeeping
from daemon.settings import DimseDestination, Node, Place, ReceiverSettings, Settings
from daemon.settings.peers import Commitment, CommitmentPeer
from tests.support.overheard import CALLED, CALLING


@dataclass
class House:
    """A receiver in this process, and what is noted about it."""

    place: Place
    ledger: Ledger
    receiver: Receiver
    log: "_Lines"
    defects: list[str] = field(default_factory=list)
    """Tracebacks of ours, by where they came from."""


@contextmanager
def receiving(folder: Path) -> Iterator[House]:
    """Receive as the daemon does, commitment included, and watch what goes wrong."""
    place = Place(root=folder / "state")
    place.create()
    peer = CommitmentPeer(ae_title=CALLING, host="127.0.0.1", port=1)
    settings = Settings(
        node=Node(ae_title=CALLED),
        receiver=ReceiverSettings(host="127.0.0.1", port=0, min_free_bytes=0, warn_free_bytes=0),
        commitment=Commitment(peers=(peer,)),
        destinations=(DimseDestination(name="none", ae_title="NONE", host="127.0.0.1", port=1),),
    )
    ledger = Ledger(place.ledger)
    caller = build_outgoing(settings).dimse
    answers = build_safekeeping(settings, place, ledger, caller, Chronometer()).answers
    house = House(place, ledger, Receiver(settings, place, ledger, utc_now, answers), _Lines())
    logs.configure("INFO", "text")
    root = logging.getLogger()
    root.handlers[0].setStream(house.log)  # type: ignore[attr-defined]
    root.addHandler(_Defects(house.defects))
    threading.excepthook = lambda failed: house.defects.append(f"thread: {failed.exc_type}")
    house.receiver.start()
    try:
        yield house
    finally:
        house.receiver.stop()
        ledger.close()


class _Lines(TextIOBase):
    """Counts the lines that are written, and keeps none."""

    count = 0

    @override
    def write(self, text: str) -> int:
        self.count += text.count("\n")
        return len(text)


class _Defects(logging.Handler):
    """Notes every record with a traceback, which is a defect of ours."""

    def __init__(self, defects: list[str]) -> None:
        super().__init__()
        self._defects = defects

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            self._defects.append(f"{record.name}: {trace}")
