"""Taking over a state folder: the right one, of a host that is gone, durably and repeatedly."""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.clock import utc_now
from daemon.errors import Misconfigured, Rejected
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.hosts.places import Places
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.operate.adopt import LISTEN_FOR_S, adopt
from daemon.place import Place
from daemon.state_lock import StateLock
from tests.support.ledgers import empty_file
from tests.unit.daemon.ledger.test_ledger import LEASE, NOW, arrival, reading, result

MEMORY = Path("/dev/shm")


class Site:
    """Two state folders on one ledger: `east` is gone, and left two studies and a result."""

    def __init__(self, folder, east):
        self.places = [Place(root=east), Place(root=folder / "west")]
        for place in self.places:
            place.create()
        where = empty_file(folder / "ledger.sqlite")
        self.gone, self.ledger = (Ledger(where, home=place.home()) for place in self.places)
        for number in (1, 2):
            one = arrival(study=f"1.2.{number}")
            self.write(self.places[0].spool / one.file)
            self.gone.record([one])
        queue = Queue(self.gone)
        for study in self.gone.waiting():
            queue.enqueue(study.study_id, {"wrist": "recipe"}, NOW)
        self.write(self.places[0].outbox / result().file)
        job = queue.claim("w", NOW, LEASE)
        queue.finish(job, reading(), [result()], ["pacs"], NOW)

    @staticmethod
    def write(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(file.name.encode())

    def adopt(self, name=None, folder=None, wait=lambda _seconds: None):
        theirs, ours = self.places
        which = (name or theirs.home().uid, folder or theirs.root)
        return adopt(self.ledger, ours, which, utc_now, wait)

    def close(self):
        self.gone.close()
        self.ledger.close()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path, tmp_path / "east")
    yield made
    made.close()


def files(place):
    return {
        str(file.relative_to(place.root)): file.read_bytes()
        for folder in (place.spool, place.outbox)
        for file in folder.rglob("*.dcm")
    }


def test_its_files_are_ours_then_and_its_own_folder_stays_as_it_is(site):
    before = files(site.places[0])
    done = site.adopt()
    assert (done.studies, done.files, done.missing) == (2, 3, 0)
    assert files(site.places[0]) == files(site.places[1]) == before
    assert site.ledger.files() == {"1.2.1/1-a.dcm", "1.2.2/1-a.dcm"}
    assert len(Deliveries(site.ledger).due("pacs", NOW)) == 1
    assert Queue(site.ledger).claim("w", NOW, LEASE).study_uid == "1.2.2"
    again = site.adopt()
    assert (again.studies, again.files) == (0, 0)


@pytest.mark.skipif(not MEMORY.is_dir(), reason="there is no second file system")
def test_files_of_another_disk_are_copied(tmp_path):
    with tempfile.TemporaryDirectory(dir=MEMORY) as east:
        made = Site(tmp_path, Path(east))
        assert Path(east).stat().st_dev != tmp_path.stat().st_dev
        assert made.adopt().files == 3
        assert files(made.places[1]) == files(made.places[0])
        assert not list(made.places[1].root.rglob("*.part"))
        made.close()


def test_a_file_that_is_gone_is_counted_and_holds_up_nothing(site):
    (site.places[0].spool / "1.2.2/1-a.dcm").unlink()
    done = site.adopt()
    assert (done.files, done.missing) == (2, 1)
    assert Queue(site.ledger).claim("w", NOW, LEASE).study_uid == "1.2.2"


def test_a_folder_in_use_is_not_adopted(site):
    lock = StateLock(site.places[0].root)
    with pytest.raises(Misconfigured, match="in use by another daemon"):
        site.adopt()
    lock.release()
    assert site.ledger.files() == set()


def test_a_host_that_lives_elsewhere_is_not_adopted(site):
    """A copy of the folder is not locked; what the daemon says in the ledger tells."""
    heard = []

    def wait(seconds):
        heard.append(seconds)
        Places(site.gone).beat(NOW + timedelta(seconds=1))

    with pytest.raises(Rejected, match="lives: stop it"):
        site.adopt(wait=wait)
    assert heard == [LISTEN_FOR_S]
    assert site.ledger.files() == set()
    StateLock(site.places[0].root).release()


@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [
        ("elsewhere", "east", "knows no other place called elsewhere"),
        (None, "west", "is the state folder of place"),
        (None, "ledger", "is no state folder"),
    ],
)
def test_the_wrong_place_or_folder_is_refused_in_words(site, tmp_path, name, folder, words):
    with pytest.raises(Rejected, match=words):
        site.adopt(name, tmp_path / folder)
