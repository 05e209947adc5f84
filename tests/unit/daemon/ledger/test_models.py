"""Several models in one ledger: none loses, overtakes or supersedes what another has to do."""

from datetime import timedelta
from threading import Thread

import pytest
from sqlalchemy import select, update

from daemon.ledger.jobs.decisions import Decisions, Done
from daemon.ledger.jobs.inputs import Inputs
from daemon.ledger.overview import study_states
from daemon.ledger.states import JobState
from daemon.ledger.tables import JobRow
from daemon.ledger.withdrawals import Withdrawals
from daemon.records import NO_MODEL, Category, Reason
from tests.unit.daemon.ledger.test_ledger import (  # noqa: F401  # fixtures
    LEASE,
    NOW,
    arrival,
    ledger,
    queue,
    reading,
    result,
)

LATER = NOW + timedelta(hours=1)
NAMES = ("wrist", "bone", "chest")


@pytest.fixture
def desk(ledger, queue):  # noqa: F811
    return Desk(ledger, queue)


class Desk:
    def __init__(self, ledger, queue):  # noqa: F811
        self.ledger, self.queue = ledger, queue
        self.decisions = Decisions(ledger)

    def receive(self, number=1, now=NOW):
        self.ledger.record([arrival(number, at=now)])

    def enqueue(self, *names, recipe="recipe", **options):
        [study] = self.ledger.waiting()
        recipes = {name: f"{recipe} of {name}" for name in names}
        return self.queue.enqueue(study.study_id, recipes, NOW, **options)

    def read(self):
        """Read what is queued; return the jobs."""
        jobs = []
        while (job := self.queue.claim("w", NOW, LEASE)) is not None:
            files = [result(f"2.25.{job.job_id}")]
            category = Category.NOT_ANALYSED if job.reason else Category.POSITIVE
            made = reading(category, job.reason)
            assert self.queue.finish(job, made, files, ["pacs"], NOW)
            jobs.append(job)
        return jobs

    @property
    def study(self):
        return self.decisions.find("1.2.3")

    def state(self):
        [state] = study_states(self.ledger)
        return state


def superseded(jobs):
    return {job.model_name: [old.sop_instance_uid for old in job.supersedes] for job in jobs}


@pytest.mark.parametrize("number", [2, 3])
def test_each_model_has_its_job_and_supersedes_its_own_results_only(desk, number):
    desk.receive()
    first = desk.enqueue(*NAMES[:number])
    assert len(first) == number
    assert superseded(desk.read()) == {name: [] for name in NAMES[:number]}
    desk.receive(2, LATER)
    desk.enqueue(*NAMES[:number])
    before = dict(zip(NAMES, first, strict=False))
    expected = {name: [f"2.25.{before[name]}"] for name in NAMES[:number]}
    assert superseded(desk.read()) == expected
    assert desk.state().superseded == number


def test_a_second_recipe_loses_the_first_ones_job_only_where_it_is_the_same_models(desk):
    desk.receive()
    [study] = desk.ledger.waiting()
    for recipes in ({"wrist": "a"}, {"bone": "b"}, {"wrist": "c"}):
        assert len(desk.queue.enqueue(study.study_id, recipes, NOW)) == 1
    assert [job.model_name for job in desk.read()] == ["bone", "wrist"]


def test_more_images_overtake_what_no_model_has_begun(desk):
    desk.receive()
    desk.enqueue("wrist", "bone")
    desk.receive(2)
    desk.enqueue("chest")
    assert [(job.model_name, len(job.instances)) for job in desk.read()] == [("chest", 2)]


def test_the_same_images_with_the_same_recipes_make_no_second_job(desk):
    desk.receive()
    desk.enqueue("wrist", "bone")
    desk.read()
    desk.ledger.record([arrival(1, at=LATER)])
    assert desk.ledger.waiting() == []
    [study_id] = [desk.study]
    recipes = {"wrist": "recipe of wrist", "bone": "another"}
    assert len(desk.queue.enqueue(study_id, recipes, NOW)) == 1


def test_a_model_that_is_added_loses_no_job_of_the_one_that_was_there(desk):
    desk.receive()
    [study] = desk.ledger.waiting()
    [wrist] = desk.queue.enqueue(study.study_id, {"wrist": "a"}, NOW)
    [bone] = desk.queue.enqueue(study.study_id, {"wrist": "a", "bone": "b"}, NOW)
    assert [(job.job_id, job.model_name) for job in desk.read()] == [
        (wrist, "wrist"),
        (bone, "bone"),
    ]


def test_a_model_that_has_read_a_study_is_known(desk):
    desk.receive()
    desk.enqueue("wrist", "bone")
    assert Inputs(desk.ledger).asked(desk.study) == set()
    desk.read()
    assert Inputs(desk.ledger).asked(desk.study) == {"wrist", "bone"}


def test_a_report_that_no_model_was_asked_is_superseded_by_the_first_that_is(desk):
    desk.receive()
    [none] = desk.enqueue(NO_MODEL, reason=Reason.NO_MODEL)
    desk.read()
    state = desk.state()
    assert (state.category, state.reason) == (Category.NOT_ANALYSED, Reason.NO_MODEL)
    assert desk.decisions.replay(desk.study, {"wrist": "recipe of wrist"}, LATER) == Done(jobs=1)
    desk.enqueue("wrist")
    assert superseded(desk.read()) == {"wrist": [f"2.25.{none}"]}
    assert desk.state().reason is None


def test_the_study_has_the_worst_category_and_each_model_its_own(desk):
    desk.receive()
    desk.enqueue("wrist", "bone")
    for category in (Category.NEGATIVE, Category.POSITIVE):
        job = desk.queue.claim("w", NOW, LEASE)
        assert desk.queue.finish(job, reading(category=category), [], [], NOW)
    state = desk.state()
    assert (state.state, state.category) == ("done", Category.POSITIVE)
    assert {one.model: one.category for one in state.models} == {
        "wrist": Category.NEGATIVE,
        "bone": Category.POSITIVE,
    }


def test_a_study_is_done_when_every_model_is(desk):
    desk.receive()
    desk.enqueue("wrist", "bone")
    job = desk.queue.claim("w", NOW, LEASE)
    desk.queue.finish(job, reading(), [], [], NOW)
    state = desk.state()
    assert (state.state, state.finished_at) == ("queued", None)


def test_a_held_study_is_released_for_every_model(desk):
    desk.receive()
    desk.ledger.record([arrival(1, content="b")])
    desk.enqueue("wrist", "bone", hold_changed=True)
    desk.read()
    assert desk.state().is_held
    assert desk.decisions.release(desk.study, LATER) == Done(jobs=2)
    assert {job.model_name for job in desk.read()} == {"wrist", "bone"}
    assert not desk.state().is_held


def test_a_release_counts_for_a_model_that_has_not_come_to_the_study_yet(desk):
    desk.receive()
    desk.enqueue("wrist", "bone", "chest")
    job = desk.queue.claim("w", NOW, LEASE)
    held = reading(Category.NOT_ANALYSED, Reason.IDENTITY_CONFLICT)
    assert desk.queue.finish(job, held, [], [], NOW)
    running = desk.queue.claim("w", NOW, LEASE)
    assert desk.decisions.release(desk.study, LATER) == Done(jobs=3)
    assert desk.queue.finish(running, held, [], [], NOW)
    read = desk.read()
    assert {one.model_name for one in read} == {"wrist", "bone", "chest"}
    assert all(one.is_released for one in read)


def test_a_job_that_is_taken_while_a_person_releases_the_study_is_released_too(desk):
    """On PostgreSQL another host may take it between the look and the decision."""
    desk.receive()
    desk.enqueue("wrist", "bone")
    job = desk.queue.claim("w", NOW, LEASE)
    held = reading(Category.NOT_ANALYSED, Reason.IDENTITY_CONFLICT)
    assert desk.queue.finish(job, held, [], [], NOW)
    done = []
    releasing = Thread(target=lambda: done.append(desk.decisions.release(desk.study, LATER)))
    with desk.ledger.transaction() as connection:
        take = update(JobRow).where(JobRow.state == JobState.QUEUED)
        connection.execute(take.values(state=JobState.RUNNING, worker="east", attempts=1))
        releasing.start()
        releasing.join(0.5)
    releasing.join()
    assert done == [Done(jobs=2)]
    columns = (JobRow.model_name, JobRow.state, JobRow.is_released)
    with desk.ledger.snapshot() as connection:
        jobs = connection.execute(select(*columns).order_by(JobRow.id)).all()
    assert jobs == [
        ("wrist", JobState.DONE, False),
        ("bone", JobState.RUNNING, False),
        ("wrist", JobState.QUEUED, True),
        ("bone", JobState.QUEUED, True),
    ]


def test_replay_asks_every_model_that_is_still_there(desk):
    desk.receive()
    desk.enqueue("wrist", "bone")
    desk.read()
    assert desk.decisions.replay(desk.study, {"bone": "new"}, LATER) == Done(jobs=1)
    assert [job.model_name for job in desk.read()] == ["bone"]


@pytest.mark.parametrize("gone", ["trial", "knee"])
def test_replay_routes_a_study_anew_of_which_no_present_model_was_asked(desk, gone):
    """Its model, or the rule that held it, has left the settings."""
    desk.receive()
    desk.enqueue(gone)
    job = desk.queue.claim("w", NOW, LEASE)
    held = reading(Category.NOT_ANALYSED, Reason.HELD_BY_RULE)
    assert desk.queue.finish(job, held if gone == "trial" else reading(), [], [], NOW)
    assert desk.state().is_held is (gone == "trial")
    assert desk.decisions.replay(desk.study, {"wrist": "recipe of wrist"}, LATER) == Done(jobs=1)
    assert not desk.state().is_held
    desk.enqueue("wrist")
    assert [one.model_name for one in desk.read()] == ["wrist"]


def test_withdrawing_finds_the_results_of_every_model(desk):
    desk.receive()
    desk.enqueue("wrist", "bone")
    desk.read()
    assert len(Withdrawals(desk.ledger).standing(desk.study)) == 2
