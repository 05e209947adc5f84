"""Several state folders on one ledger: each host works with what it has, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from daemon.errors import Rejected
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.hosts.adoption import Adoption
from daemon.ledger.hosts.places import Places
from daemon.ledger.jobs.decisions import Decisions
from daemon.ledger.jobs.inputs import Inputs
from daemon.ledger.jobs.queue import Queue
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import study_states
from daemon.ledger.promises import Promises
from daemon.ledger.retention import Retention
from daemon.ledger.tables import InstanceRow, JobRow, ResultRow
from daemon.operate.adopt import adopt as adopt_folder
from daemon.place import Home
from daemon.records import Receipt
from tests.support.ledgers import empty_database, empty_file
from tests.unit.daemon.ledger.test_ledger import LEASE, NOW, arrival, reading, result

LATER = NOW + timedelta(hours=1)
MONTH = NOW + timedelta(days=31)
DX = "1.2.840.10008.5.1.4.1.1.1.1"
EAST, WEST = Home("ea57" * 4, "east"), Home("0e57" * 4, "west")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def hosts(request, tmp_path):
    """Two hosts on one ledger, as each of them has it open."""
    if request.param == "sqlite":
        where = empty_file(tmp_path / "ledger.sqlite")
    else:
        where = empty_database(request.getfixturevalue("postgres_url"))
    opened = [Ledger(where, home=home) for home in (EAST, WEST)]
    yield opened
    for one in opened:
        one.close()


def enqueue(ledger):
    """Make the job of the only study that waits here."""
    [study] = ledger.waiting()
    return Queue(ledger).enqueue(study.study_id, {"wrist": "recipe"}, NOW)


def claim(ledger):
    return Queue(ledger).claim("w", NOW, LEASE)


def read(ledger, uid="2.25.1"):
    """Claim the next job here and finish it with one result."""
    job = claim(ledger)
    assert Queue(ledger).finish(job, reading(), [result(uid)], ["pacs"], NOW)
    return job


def deliver(ledger):
    deliveries = Deliveries(ledger)
    for one in deliveries.due("pacs", NOW):
        deliveries.delivered(one, 0, NOW)


def rows(ledger, *columns):
    with ledger.snapshot() as connection:
        return connection.execute(select(*columns)).all()


def test_a_place_keeps_its_number_and_is_called_by_its_newest_name(hosts):
    east, west = hosts
    again = Ledger(east.engine.url.render_as_string(False), home=EAST._replace(name="orient"))
    assert (again.place, again.place == west.place) == (east.place, False)
    assert [one.label for one in Places(west).others()] == ["orient/ea57ea"]
    again.close()


def test_a_host_sees_and_reads_only_what_came_to_it(hosts):
    east, west = hosts
    east.record([arrival()])
    assert (len(east.waiting()), west.waiting()) == (1, [])
    assert (east.files(), west.files()) == ({"1.2.3/1-a.dcm"}, set())
    enqueue(east)
    assert claim(west) is None
    assert claim(east).instances[0].is_here


def test_results_are_sent_by_the_host_that_has_them(hosts):
    east, west = hosts
    east.record([arrival()])
    enqueue(east)
    read(east)
    assert Deliveries(west).due("pacs", NOW) == []
    assert len(Deliveries(east).due("pacs", NOW)) == 1


def test_a_host_that_starts_gives_back_its_own_jobs_only(hosts):
    east, west = hosts
    east.record([arrival()])
    enqueue(east)
    claim(east)
    assert Queue(west).release("w") == 0
    assert Queue(east).release("w") == 1


def test_what_comes_to_a_second_host_too_lies_at_both_and_is_read_once(hosts):
    east, west = hosts
    east.record([arrival()])
    enqueue(east)
    read(east)
    assert west.record([arrival()]) == west.record([arrival()]) == [Receipt.DUPLICATE]
    assert west.files() == {"1.2.3/1-a.dcm"}
    assert enqueue(west) == []
    assert east.waiting() == west.waiting() == []
    assert Inputs(west).holders(1) == [east.place, west.place]


def split(east, west):
    """One study of two images, one of them here and one there; read by the first host."""
    east.record([arrival(1)])
    west.record([arrival(2)])
    enqueue(east)
    return read(east)


def test_an_image_on_another_host_is_an_input_that_cannot_be_reached(hosts):
    assert [one.is_here for one in split(*hosts).instances] == [True, False]


def test_a_study_that_is_whole_at_last_is_read_again_once(hosts):
    east, west = hosts
    split(east, west)
    assert Places(east).reunite(LATER) == 0
    east.record([arrival(2)])
    assert enqueue(east)
    whole = read(east, "2.25.2")
    assert all(one.is_here for one in whole.instances)
    assert [one.sop_instance_uid for one in whole.supersedes] == ["2.25.1"]
    assert Places(east).reunite(LATER) == 0


def test_a_replay_is_read_where_most_of_the_study_lies(hosts):
    east, west = hosts
    split(east, west)
    west.record([arrival(1)])
    Decisions(east).replay(1, {"wrist": "recipe"}, NOW)
    assert claim(east) is None
    assert all(one.is_here for one in claim(west).instances)


def test_a_host_takes_over_the_jobs_of_a_silent_one_whose_images_it_has(hosts):
    east, west = hosts
    east.record([arrival()])
    enqueue(east)
    assert Places(west).take_over({east.place}) == 0
    west.record([arrival()])
    assert Places(west).take_over({east.place}) == 1
    assert claim(west).instances[0].is_here
    assert claim(east) is None


def test_each_host_promises_what_it_can_see_and_reports_where_it_was_asked(hosts):
    east, west = hosts
    east.record([arrival(1)])
    west.record([arrival(2)])
    wanted = {"1.2.3.1": DX, "1.2.3.2": DX}
    Promises(east).requested("MODALITY", "2.25.9", wanted, NOW)
    assert Promises(west).due(NOW) == []
    [promise] = Promises(east).due(NOW)
    assert Promises(east).keep(promise.items, lambda _file: True, NOW) == {"1.2.3.1"}


def test_each_host_purges_its_own_files_and_the_last_one_forgets_the_image(hosts):
    east, west = hosts
    east.record([arrival()])
    west.record([arrival()])
    enqueue(east)
    read(east)
    deliver(east)
    for host in hosts:
        retention = Retention(host)
        [old] = retention.old_inputs(MONTH)
        retention.forget_inputs([old])
        assert retention.old_inputs(MONTH) == []
        assert host.files() == set()
    assert rows(east, InstanceRow.id) == []
    assert (len(Retention(east).old_results(MONTH)), Retention(west).old_results(MONTH)) == (1, [])


def test_rows_of_before_belong_to_the_host_that_has_their_files(hosts):
    east, west = hosts
    for number in (1, 2, 3):
        east.record([arrival(number, study=f"1.2.{number}")])
    for study in east.waiting():
        Queue(east).enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    read(east)
    with east.transaction() as connection:
        for table in (InstanceRow, JobRow, ResultRow):
            connection.execute(update(table).values(place=None))
    assert Places(east).states()[-1].name == "(no place)"
    assert Places(west).take_unplaced(lambda file: file.startswith("1.2.2"), lambda _file: False)
    assert Places(east).take_unplaced(lambda file: file.startswith("1.2.1"), lambda _file: True)
    assert (claim(west).study_uid, claim(east)) == ("1.2.2", None)
    assert len(Deliveries(east).due("pacs", NOW)) == 1
    assert [one.images for one in Places(east).states()] == [1, 1, 1]  # the last one nowhere


def adopt(ledger):
    """Take over what the other place holds; return its files as they were named."""
    adoption, inputs, results = Adoption(ledger), [], []
    [other] = Places(ledger).others()
    while (left := adoption.left(other)).studies:
        inputs += left.inputs
        results += left.results
        adoption.take(other, left.studies, NOW)
    return sorted(inputs), results, adoption.take_promises(other)


def test_what_a_host_finds_in_its_spool_that_others_recorded_is_no_arrival(hosts):
    """Else content that was replaced would come back with a host that was away."""
    east, west = hosts
    east.record([arrival(), arrival(content="b", at=LATER)])
    found = ["1.2.3/1-a.dcm", "1.2.3/unheard-of.dcm"]
    assert Places(west).known_elsewhere(found) == 1
    assert Places(west).known_elsewhere(found) == 0
    assert west.files() == {"1.2.3/1-a.dcm"}
    assert Inputs(west).holders(1) == [east.place]
    assert west.waiting() == []


def test_a_dead_host_leaves_images_running_jobs_results_and_promises(hosts):
    east, west = hosts
    for number in (1, 2):
        east.record([arrival(study=f"1.2.{number}")])
        [study] = east.waiting()
        Queue(east).enqueue(study.study_id, {"wrist": "recipe"}, NOW)
    read(east)
    dead = claim(east)
    Promises(east).requested("MODALITY", "2.25.9", {"1.2.1.1": DX}, NOW)
    files = ["1.2.1/1-a.dcm", "1.2.2/1-a.dcm"]
    assert adopt(west) == (files, ["2.25.1.dcm"], 1)
    assert adopt(west) == ([], [], 0)
    assert not Queue(east).finish(dead, reading(), [result("2.25.2")], ["pacs"], NOW)
    assert read(west, "2.25.2").attempt == 2
    assert len(Deliveries(west).due("pacs", NOW)) == 2
    assert (west.files(), east.files()) == (set(files), set())
    assert len(Promises(west).due(NOW)) == 1


def test_a_study_that_two_hosts_had_in_parts_is_whole_after_adoption(hosts):
    east, west = hosts
    split(east, west)
    west.record([arrival(1)])
    enqueue(west)
    east.record([arrival(3)])
    enqueue(east)
    read(east, "2.25.3")
    adopt(west)
    assert enqueue(west)
    assert [one.is_here for one in claim(west).instances] == [True] * 3


def test_people_are_told_what_lies_where_and_since_when_its_host_is_silent(hosts):
    east, west = hosts
    split(east, west)
    Places(west).beat(LATER)
    held = [
        (one.name, one.seen_at, one.is_ours, one.images, one.jobs, one.deliveries)
        for one in Places(east).states(EAST.uid)
    ]
    assert held == [("east", None, True, 1, 0, 1), ("west", LATER, False, 1, 0, 0)]
    assert study_states(east)[0].places == ("east/ea57ea", "west/0e570e")


def test_a_ledger_for_one_folder_has_no_places(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record([arrival()])
    assert Places(ledger).states() == []
    assert study_states(ledger)[0].places == ()
    ledger.close()
    with pytest.raises(Rejected, match="for itself"):
        adopt_folder(ledger, None, ("east", tmp_path), lambda: NOW, lambda _s: None)
