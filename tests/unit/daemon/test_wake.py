"""Loops that rest until they are rung for."""

import threading
import time
from contextlib import contextmanager
from queue import SimpleQueue

from daemon.clock import Chronometer
from daemon.errors import Unavailable
from daemon.guarded import Loop, at_once_again, ringing
from daemon.wake import Bell
from tests.support.tools import wait_until

AN_HOUR_S = 3600.0


@contextmanager
def running(loop):
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        loop.bell.ring()
        thread.join(10.0)
    assert not thread.is_alive()


class Turns:
    """Says what it is told to, and an hour after that."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.taken = SimpleQueue()

    def __call__(self):
        self.taken.put(time.monotonic())
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def next(self):
        return self.taken.get(timeout=10.0)


def test_a_ring_while_nobody_waits_is_heard_by_the_next_wait_and_only_by_that():
    bell = Bell()
    bell.ring()
    bell.ring()
    assert bell.wait(AN_HOUR_S)
    assert not bell.wait(0.01)


def test_a_loop_takes_a_turn_when_it_is_rung_and_not_before():
    turns = Turns()
    loop = Loop("test", turns, AN_HOUR_S)
    with running(loop):
        turns.next()
        loop.bell.ring()
        turns.next()
    assert turns.taken.empty()


def test_a_ring_during_a_turn_brings_another():
    may_end = threading.Event()
    turns = Turns()
    loop = Loop("test", lambda: (turns(), may_end.wait(10.0), None)[-1], AN_HOUR_S)
    with running(loop):
        turns.next()
        loop.bell.ring()
        may_end.set()
        turns.next()


def test_a_loop_wakes_at_the_instant_that_its_turn_named():
    turns = Turns(0.1)
    with running(Loop("test", turns, AN_HOUR_S)):
        first = turns.next()
        assert 0.1 <= turns.next() - first < 1.0


def test_the_time_that_a_turn_takes_counts_as_rest():
    moments = []

    def slow():
        moments.append(time.monotonic())
        threading.Event().wait(0.3)
        return 0.4 if len(moments) == 1 else None

    loop = Loop("test", slow, AN_HOUR_S)
    with running(loop):
        wait_until(lambda: len(moments) == 2, "the second turn", 10.0)
    assert 0.4 <= moments[1] - moments[0] < 0.65


def test_no_turn_makes_a_loop_rest_longer_than_it_may():
    turns = Turns(AN_HOUR_S, None)
    with running(Loop("test", turns, 0.05)):
        for _ in range(3):
            turns.next()


def test_a_turn_that_fails_is_tried_again_after_a_rest_or_a_ring():
    turns = Turns(Unavailable("not now"), ZeroDivisionError())
    loop = Loop("test", turns, AN_HOUR_S)
    with running(loop):
        for _ in range(2):
            turns.next()
            loop.bell.ring()
        turns.next()


def test_turns_that_count_go_on_as_long_as_they_do_something_and_tell_others():
    counts = [2, 1, 0]
    others = [Loop("one", lambda: None, AN_HOUR_S), Loop("other", lambda: None, AN_HOUR_S)]
    told = []
    turn = at_once_again(
        lambda now: counts.pop(0), Chronometer(), lambda: (told.append(1), ringing(others)())
    )
    assert [turn(), turn(), turn()] == [0.0, 0.0, None]
    assert len(told) == 2
    assert all(other.bell.wait(0) for other in others)
