"""Models that are loaded on demand: who waits for whom, and who makes room."""

import math
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from daemon.errors import Unavailable
from daemon.reading.device.guard import Offline
from daemon.reading.shelf import Shelf, Shelved
from tests.support.tools import wait_until


class Study:
    """Holds a model."""


class Loaded:
    """What a load gives."""

    batch_size = 4

    def put_away(self):
        """Nothing is noted of it."""


class Models:
    """Loads that are counted, and that may fail or be held up."""

    def __init__(self, *names, room=math.inf):
        self.loads, self.error, self.go = [], None, dict.fromkeys(names)
        models = {name: Shelved(None, lambda name=name: self.load(name), 1) for name in names}
        self.shelf = Shelf(models, room, keep_every_s=0.005)

    def load(self, name):
        self.loads.append(name)
        if self.go[name] is not None:
            assert self.go[name].wait(20)
        if self.error is not None:
            raise self.error
        return Loaded()

    def loaded(self):
        return [name for name in self.go if self.shelf.loaded(name) is not None]


def fetch(models, name, study=None):
    """Fetch, for a study that the caller keeps or forgets."""
    models.shelf.fetch(name, study or Study(), lambda: None)


def test_a_model_is_loaded_once_however_many_ask_for_it_at_once():
    models = Models("a")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: fetch(models, "a"), range(40)))
    assert models.shelf.take("a") is models.shelf.take("a")
    assert models.loads == ["a"]
    assert models.shelf.batch_size == 4


def test_while_one_loads_another_is_read_and_who_waits_keeps_his_lease():
    models, kept = Models("a", "b"), []
    models.go["b"] = Event()

    def keep():
        kept.append("b")
        if len(kept) == 3:
            assert models.shelf.take("a") is not None
            models.go["b"].set()

    fetch(models, "a")
    models.shelf.fetch("b", Study(), keep)
    assert len(kept) >= 3
    assert models.loaded() == ["a", "b"]


def test_the_least_recently_used_makes_room():
    models = Models("a", "b", "c", room=2)
    for name in ("a", "b", "a", "c"):
        models.shelf.take(name)
    assert models.loaded() == ["a", "c"]
    assert models.loads == ["a", "b", "c"]


def test_opening_takes_no_model_away_from_an_opened_study():
    models, opened, other = Models("a", "b", room=1), Study(), Study()
    fetch(models, "a", opened)
    fetch(models, "b", other)
    assert models.loaded() == ["a"]
    with models.shelf.holding("a", [opened]):
        fetch(models, "b", other)
        assert models.loaded() == ["a"]
    fetch(models, "b", other)
    assert models.loaded() == ["b"]


def test_a_study_that_is_forgotten_holds_nothing():
    models = Models("a", "b", room=1)
    fetch(models, "a", Study())
    fetch(models, "b", Study())
    assert models.loaded() == ["b"]


def test_reading_has_its_model_though_another_is_held_and_being_loaded():
    models, opened = Models("a", "b", room=1), Study()
    models.go["a"] = Event()
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(models.shelf.fetch, "a", opened, models.go["a"].set)
        wait_until(lambda: models.loads, "the load")
        models.shelf.take("b")
        fetching.result()
    assert models.loaded() == ["b"]


def test_who_waits_for_a_load_to_read_keeps_the_leases_of_all_opened_studies():
    models, opened = Models("a", "b", "c", room=2), Study()
    models.go["a"] = Event()
    models.shelf.fetch("c", opened, models.go["a"].set)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(fetch, models, "a")
        wait_until(lambda: "a" in models.loads, "the load")
        models.shelf.take("b")  # after "a", which ends when the lease of `opened` is kept
        fetching.result()
    assert models.loads == ["c", "a", "b"]


def test_what_the_device_does_not_load_now_is_tried_again():
    models = Models("a")
    models.error = Unavailable("device")
    for _ in range(2):
        with pytest.raises(Unavailable, match="device"):
            models.shelf.take("a")
    models.error = None
    assert models.shelf.take("a") is not None
    assert models.loads == ["a", "a", "a"]


def test_what_cannot_be_used_is_not_tried_again_and_takes_no_room():
    models = Models("a", "b", room=1)
    models.error = Offline("out of service")
    for _ in range(2):
        with pytest.raises(Offline):
            fetch(models, "a")
    models.error = None
    assert models.shelf.take("b") is not None
    assert models.loads == ["a", "b"]
