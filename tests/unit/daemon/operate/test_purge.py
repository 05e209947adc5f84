"""Files go when they are old and settled, and only then."""

from daemon.ledger.deliveries import Deliveries
from daemon.ledger.retention import Retention
from daemon.operate.purge import Purge, discard_half_results
from daemon.settings import Place
from daemon.settings import Retention as Terms
from tests.fakes import FrozenClock
from tests.office import START, Office


def test_files_of_a_settled_study_go_and_those_of_an_unsent_one_stay(tmp_path):
    place = Place(root=tmp_path)
    place.create()
    office = Office(place.outbox)
    (place.spool / "f").write_bytes(b"image")
    clock = FrozenClock(START)
    purge = Purge(Retention(office.ledger), place, Terms(), clock)
    purge.turn()
    clock.advance(40 * 86400.0)
    purge.turn()
    assert (place.spool / "f").exists()
    assert (place.outbox / "1.dcm").exists()
    deliveries = Deliveries(office.ledger)
    for one in deliveries.due("archive", START):
        deliveries.delivered(one, 0, START)
    purge.turn()
    assert not (place.spool / "f").exists()
    assert not (place.outbox / "1.dcm").exists()
    assert not (place.outbox / "2.dcm").exists()
    office.ledger.close()


def test_half_results_are_discarded_at_start(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "1.part").touch()
    (tmp_path / "study" / "2.dcm").touch()
    assert discard_half_results(tmp_path) == 1
    assert [file.name for file in (tmp_path / "study").iterdir()] == ["2.dcm"]
