"""What `wristd status` shows of what is lacking, and what a person should look at."""

from datetime import timedelta

from daemon.ledger.hosts.places import Places
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.standing_alerts import Alert
from daemon.operate.alerts import alerts
from daemon.operate.node_status import status_of
from daemon.settings import Place, ReceiverSettings, Settings
from daemon.signals import Signal
from tests.support.fakes import FrozenClock
from tests.support.ledgers import empty_file
from tests.support.receiving import PACS
from tests.unit.daemon.ledger.test_ledger import arrival, one_job
from tests.unit.daemon.ledger.test_places import EAST, WEST


def test_it_names_for_want_of_what_studies_wait_and_a_disk_that_is_full(tmp_path):
    ledger, clock = Ledger(empty_file(tmp_path / "ledger.sqlite")), FrozenClock()
    queue = Queue(ledger)
    one_job(ledger, queue)
    job = queue.claim("w", clock.steady(), timedelta(seconds=60))
    queue.put_off(job, "outbox: No space left on device", clock.steady() + timedelta(seconds=5))
    settings = Settings(receiver=ReceiverSettings(min_free_bytes=2**62), destinations=(PACS,))
    shown = status_of(settings, Place(root=tmp_path), ledger, clock())
    assert shown["put_off"] == {"outbox: No space left on device": 1}
    assert shown["degraded"][0].endswith("MiB free, arrivals are refused")
    assert shown["backlog"] == {"jobs queued": 1}
    assert [(one["alert"], one["since"]) for one in shown["alerts"]] == [("alert_disk_full", None)]
    ledger.close()


def test_a_host_that_is_silent_and_holds_images_is_an_alert(tmp_path):
    clock = FrozenClock()
    where = empty_file(tmp_path / "ledger.sqlite")
    hosts = [Ledger(where, home=home) for home in (EAST, WEST)]
    for one in hosts:
        Places(one).beat(clock())
    hosts[0].record([arrival()])
    settings = Settings(destinations=(PACS,), receiver=ReceiverSettings(min_free_bytes=0))

    def shown(after_s):
        now = clock() + timedelta(seconds=after_s)
        return alerts(settings, Place(root=tmp_path), hosts[1], now)

    assert shown(30.0) == []
    assert shown(90.0) == [Alert(Signal.PLACE_SILENT, 1, clock())]
    for one in hosts:
        one.close()
