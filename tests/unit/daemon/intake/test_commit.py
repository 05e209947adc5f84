"""Many associations, one transaction."""

import errno
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event

import pytest

from daemon.errors import Unavailable
from daemon.intake.store.commit import Committer
from daemon.intake.store.spool import Spool
from daemon.ledger.ledger import Ledger
from daemon.records import Arrival, Receipt
from tests.support.ledgers import empty_file

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class SlowLedger(Ledger):
    """Holds its first transaction until it is let go; notes the size of each."""

    def __init__(self, where):
        super().__init__(where)
        self.begun, self.go, self.sizes, self.away = Event(), Event(), [], False

    def record(self, arrivals):
        self.begun.set()
        self.go.wait(5)
        self.sizes.append(len(arrivals))
        if self.away:
            raise Unavailable("ledger: told to be away")
        return super().record(arrivals)


@pytest.fixture
def ledger(tmp_path):
    opened = SlowLedger(empty_file(tmp_path / "ledger.sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def spool(tmp_path):
    opened = Spool(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def committer(ledger, spool):
    opened = Committer(ledger, spool)
    yield opened
    ledger.go.set()
    opened.close()


def arrival(number):
    return Arrival(
        study_uid="1.2.3",
        sop_instance_uid=f"1.2.3.{number}",
        sop_class_uid="1.2",
        transfer_syntax_uid="1.2",
        patient_key="p",
        digest=f"{number:064}",
        file=f"{number}.dcm",
        size=1,
        calling_ae="MODALITY",
        received_at=NOW,
    )


def submit_all(pool, committer, ledger, count):
    """Have `count` arrivals wait: the first holds the ledger, the rest gather behind it."""
    first = pool.submit(committer.record, arrival(0))
    ledger.begun.wait(5)
    rest = [pool.submit(committer.record, arrival(number)) for number in range(1, count)]
    pool.submit(lambda: None).result(5)  # the pool is large enough: all have been started
    while len(committer._waiting) < count - 1:
        ledger.go.wait(0.01)
    return [first, *rest]


def test_those_who_wait_share_one_transaction(committer, ledger):
    with ThreadPoolExecutor(20) as pool:
        receipts = submit_all(pool, committer, ledger, 16)
        ledger.go.set()
        assert {one.result(5) for one in receipts} == {Receipt.NEW}
    assert ledger.sizes == [1, 15]
    assert len(ledger.files()) == 16


def test_when_the_transaction_fails_everybody_in_it_is_told(committer, ledger):
    ledger.away = True
    with ThreadPoolExecutor(20) as pool:
        receipts = submit_all(pool, committer, ledger, 8)
        ledger.go.set()
        assert all(isinstance(one.exception(5), Unavailable) for one in receipts)
    ledger.away = False
    assert committer.record(arrival(1)) is Receipt.NEW


def test_nobody_waits_for_ever_when_the_one_who_leads_fails(committer, ledger):
    def fail(_arrivals):
        ledger.begun.set()
        ledger.go.wait(5)
        raise RuntimeError("a defect")

    ledger.record = fail
    with ThreadPoolExecutor(20) as pool:
        receipts = submit_all(pool, committer, ledger, 8)
        ledger.go.set()
        assert all(one.exception(5) is not None for one in receipts)
    del ledger.record
    assert committer.record(arrival(1)) is Receipt.NEW


def test_the_end_waits_for_those_who_wait(committer, ledger):
    with ThreadPoolExecutor(20) as pool:
        receipts = submit_all(pool, committer, ledger, 8)
        closing = pool.submit(committer.close)
        assert not closing.done()
        ledger.go.set()
        closing.result(5)
        assert {one.result(5) for one in receipts} == {Receipt.NEW}


def test_names_that_cannot_be_synced_are_not_entered_in_the_ledger(committer, ledger, spool):
    def fail():
        raise OSError(errno.EIO, "told to fail")

    spool.sync_names = fail
    ledger.go.set()
    with pytest.raises(Unavailable):
        committer.record(arrival(1))
    assert ledger.files() == set()


def test_after_the_end_nothing_is_promised(committer):
    committer.close()
    with pytest.raises(Unavailable, match="stopped"):
        committer.record(arrival(1))
