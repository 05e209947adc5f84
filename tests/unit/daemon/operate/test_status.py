"""What `wristd status` shows of what is lacking."""

from datetime import timedelta

from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.operate.status import status_of
from daemon.settings import Place, Receiver, Settings
from tests.support.fakes import FrozenClock
from tests.support.receiving import PACS
from tests.unit.daemon.ledger.test_ledger import one_job


def test_it_names_for_want_of_what_studies_wait_and_a_disk_that_is_full(tmp_path):
    ledger, clock = Ledger(tmp_path / "ledger.sqlite"), FrozenClock()
    queue = Queue(ledger)
    one_job(ledger, queue)
    job = queue.claim("w", clock.steady(), timedelta(seconds=60))
    queue.put_off(job, "outbox: No space left on device", clock.steady() + timedelta(seconds=5))
    settings = Settings(receiver=Receiver(min_free_bytes=2**62), destinations=(PACS,))
    shown = status_of(settings, Place(root=tmp_path), ledger, clock())
    assert shown["put_off"] == {"outbox: No space left on device": 1}
    assert shown["degraded"][0].endswith("MiB free, arrivals are refused")
    assert shown["backlog"] == {"jobs queued": 1}
    ledger.close()
